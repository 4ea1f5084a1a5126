"""What becomes of calls that nobody ends, and of what is old: one task of the leader."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.numbering import Numbering
from dialplane.resources.voice_bot import KIND, VoiceBotSpec
from dialplane.services.contract import Context, SiteView
from dialplane.services.voicebot.call_recordings import CallRecordings
from dialplane.services.voicebot.recording_names import recording_name
from dialplane.services.voicebot.spellings import spellings
from dialplane.services.voicebot.tables import call_changes, call_retention
from dialplane.storage.errors import StorageError
from dialplane.storage.object_storage import BATCH
from dialplane.store import Store, StoreError, events

log = structlog.get_logger(__name__)

LOST_SECONDS: Final = 2.0
"""Between two looks for calls of replicas that live no more."""
GRACE_SECONDS: Final = 10.0
"""How long a replica may be away that comes back: when the database was, all of them were."""
PRUNE_SECONDS: Final = 600.0
STORED_SECONDS: Final = 120.0
"""After a call its recording is in the storage by then; what is deleted sooner could be stored afterwards."""


@dataclass(frozen=True, slots=True)
class CallLimit:
    """How long the calls of a bot are kept, in days."""

    transcripts: int
    recordings: int


GONE: Final = CallLimit(30, 30)
"""Of bots that are no more."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of a caller."""

    calls: int
    recordings: int
    going_on: int
    """Calls that go on, or whose recording is not stored yet: they can be erased two minutes after their end."""


class CallKeeper:
    """The calls of a site's bots, as its leader keeps them; the paths of the API use it too."""

    def __init__(self, context: Context, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep the calls in the store of `context`."""
        self._context = context
        self._store: Store = context.store
        self._site = context.site
        self._now = now
        self._leads: Callable[[], bool] = lambda: False
        self._limits: Mapping[str, CallLimit] = {}
        self._unreadable: frozenset[str] = frozenset()
        self._recorded: frozenset[str] = frozenset()
        self._gone_since: dict[str, float] = {}
        self.recordings = CallRecordings(context.storage)
        """Of their calls."""
        self.numbering: Numbering | None = None
        """How numbers are written at the site."""

    def observe(self, view: SiteView) -> None:
        """Work on this view from now on; never waits."""
        self._leads = view.leads
        self._limits = {resource.key.name: _limit(spec) for resource, spec in view.snapshot.of(VoiceBotSpec)}
        self._recorded = frozenset(
            resource.key.name for resource, spec in view.snapshot.of(VoiceBotSpec) if spec.recording is not None
        )
        bots = frozenset(key.name for key in view.snapshot.resources if key.kind == KIND.name)
        self._unreadable = bots - self._limits.keys()  # nobody knows how long they keep theirs
        self.numbering = next((spec.numbering for _, spec in view.snapshot.of(AsteriskSpec)), None)

    async def run(self) -> None:
        """Close lost calls, and delete what is old, until cancelled. While the store is away it waits."""
        pruned_at: float | None = None
        trouble = ""
        while True:
            time = asyncio.get_running_loop().time()
            try:
                if self._leads():
                    await self.close_lost(time)
                    if await self._store.call(events.waiting, self._site):  # of calls that replicas ended
                        self._context.outbox.wake()
                    if pruned_at is None or time - pruned_at >= PRUNE_SECONDS:
                        pruned_at = time
                        await self.prune()
                trouble = ""
            except (StoreError, StorageError) as error:
                if str(error) != trouble:
                    log.warning("calls of bots are not kept in order", reason=str(error))
                trouble = str(error)
            await asyncio.sleep(LOST_SECONDS)

    async def close_lost(self, time: float) -> int:
        """Close the calls of replicas that have been gone for long enough; return how many.

        Args:
            time: seconds of a clock that nobody sets.

        Raises:
            StoreError: not now.
        """
        gone = await self._store.call(call_changes.replicas_gone, self._site)
        self._gone_since = {replica: self._gone_since.get(replica, time) for replica in gone}
        over = [replica for replica, since in self._gone_since.items() if time - since >= GRACE_SECONDS]
        if not over:
            return 0
        closed = await self._store.call(call_changes.close_lost, self._site, over, self._recording)
        if closed:
            log.warning("calls of bots were lost with their process", calls=closed)
        return closed

    def _recording(self, bot: str, call: str) -> str | None:
        """Return the name of what a bot may have recorded: another replica stores what a lost one left behind."""
        return recording_name(self._site, bot, call) if bot in self._recorded else None

    async def prune(self) -> int:
        """Delete what is older than its bot keeps it; return how many calls are gone.

        Raises:
            StorageError, StoreError: the rest is deleted the next time.
        """
        now, total = self._now(), 0
        trouble: StorageError | None = None
        for bot, first in (await self._store.call(call_retention.oldest, self._site)).items():
            if bot in self._unreadable:
                continue
            limit = self._limits.get(bot, GONE)
            before = now - timedelta(days=limit.recordings)
            if first < before:
                try:
                    await self._delete_recordings(call_retention.recorded_before, bot, before)
                except StorageError as error:  # what was said is forgotten all the same
                    trouble = error
            before = now - timedelta(days=limit.transcripts)
            if first < before:
                total += await self._store.call(call_retention.forget, self._site, bot, before)
        if total:
            log.info("old calls of bots forgotten", calls=total)
        if trouble is not None:
            raise trouble
        return total

    async def erase(self, number: str) -> Erased:
        """Erase all that is left of the calls of somebody: recordings, turns, calls.

        Args:
            number: theirs, as anybody writes it.

        Raises:
            StorageError, StoreError: the rest is still there; do it again.
        """
        written = spellings(number, self.numbering)
        stored = self._now() - timedelta(seconds=STORED_SECONDS)
        recordings = await self._delete_recordings(call_retention.recorded_of, written, stored)
        calls = await self._store.call(call_retention.erase, self._site, written)
        going_on = await self._store.call(call_retention.going_on, self._site, written, stored)
        log.info("calls of bots erased", calls=calls, recordings=recordings)
        return Erased(calls, recordings, going_on)

    async def _delete_recordings(self, find: Callable[..., tuple[call_retention.Recorded, ...]], *which: object) -> int:
        """Delete recordings, and note for each batch that they are; return how many."""
        total = 0
        while found := await self._store.call(find, self._site, *which, limit=BATCH):
            await self.recordings.delete([each.recording for each in found])
            await self._store.call(call_retention.forget_recordings, self._site, [each.call for each in found])
            total += len(found)
        return total


def _limit(spec: VoiceBotSpec) -> CallLimit:
    recordings = spec.recording.retention_days if spec.recording else GONE.recordings
    return CallLimit(spec.transcript_days, recordings)
