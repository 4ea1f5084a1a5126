"""Writes what calls leave behind; implements `call_log.CallLog`.

All calls of a replica share its transactions: at most one a second while much is said, and never more than a second
until something is written. While the database is away everything waits, up to a bound; beyond it the oldest turns go,
and never that a call began or ended.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from dialplane.logs import log_unexpected
from dialplane.services.voicebot.bot import call_metrics as metrics
from dialplane.services.voicebot.tables import call_changes
from dialplane.services.voicebot.tables.call_changes import CallChanges, CallEnd, NewTurn
from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import Turn
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.tasks import Backoff

log = structlog.get_logger(__name__)

GATHER_SECONDS: Final = 0.02
"""From the first thing after a silence to its transaction."""
PAUSE_SECONDS: Final = 0.9
"""After each transaction."""
AT_A_TIME: Final = 1000
"""Things in one transaction."""
MOST: Final = 20_000
"""Things that wait: what a hundred calls say in some twenty minutes."""
BACKOFF: Final = Backoff(0.5, 5, least=0.5)

Change = BotCall | NewTurn | CallEnd


class CallWriter:
    """The calls of one replica."""

    def __init__(
        self, store: Store, site: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC), most: int = MOST
    ) -> None:
        """Write to `store`; `most` things wait while it is away."""
        self._store = store
        self._site = site
        self._now = now
        self._most = most
        self._waiting: list[Change] = []
        self._writing = False
        self._wake = asyncio.Event()
        self._failures = 0

    @property
    def waiting(self) -> int:
        """How many things wait to be written."""
        return len(self._waiting)

    def begin(self, call: BotCall) -> None:
        """See `CallLog.begin`."""
        self._add(call)

    def turn(self, call: str, number: int, turn: Turn) -> None:
        """See `CallLog.turn`."""
        self._add(NewTurn(call, number, turn))

    def end(
        self,
        call: str,
        outcome: CallOutcome,
        *,
        reason: str = "",
        state: str = "",
        target: str = "",
        variables: dict[str, str] | None = None,
        recording: str | None = None,
    ) -> None:
        """See `CallLog.end`."""
        self._add(CallEnd(call, self._now(), outcome, reason, state, target, dict(variables or {}), recording))

    async def run(self) -> None:
        """See `CallLog.run`."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await asyncio.sleep(GATHER_SECONDS)
                while self._waiting:
                    await self._write_some()
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._flush()
            if self._waiting:
                log.warning("what is left of calls was not written", things=len(self._waiting))

    async def settle(self) -> None:
        """Return when all is written; `run` writes it."""
        while self._waiting or self._writing:  # noqa: ASYNC110 -- it is a matter of a second, at a process's end
            await asyncio.sleep(GATHER_SECONDS)

    def _add(self, change: Change) -> None:
        if len(self._waiting) >= self._most:
            self._make_room()
        self._waiting.append(change)
        self._wake.set()

    def _make_room(self) -> None:
        """Drop the oldest turns, a hundredth of all; where there are none, the oldest things."""
        number = self._most // 100 or 1
        gone = {place for place, each in enumerate(self._waiting) if isinstance(each, NewTurn)}
        places = set(sorted(gone)[:number]) or set(range(number))
        self._waiting = [each for place, each in enumerate(self._waiting) if place not in places]
        metrics.DROPPED.labels("backlog").inc(len(places))

    async def _flush(self) -> None:
        while batch := self._waiting[:AT_A_TIME]:
            await self._store.call(call_changes.write, self._site, _changes(batch))
            del self._waiting[: len(batch)]

    async def _write_some(self) -> None:
        """Write what waits, `AT_A_TIME` at most."""
        batch, self._waiting = self._waiting[:AT_A_TIME], self._waiting[AT_A_TIME:]
        self._writing = True
        metrics.BACKLOG.set(len(batch) + len(self._waiting))
        try:
            await self._store.call(call_changes.write, self._site, _changes(batch))
            if self._failures:
                log.info("calls are written again")
            self._failures = 0
        except asyncio.CancelledError:  # it may have been written: twice is the same as once
            self._waiting[:0] = batch
            raise
        except StoreUnavailable as error:
            await self._wait(batch, error)
        except StoreError as error:
            await self._write_apart(batch, error)
        except Exception as error:  # noqa: BLE001 -- what other calls leave behind is written
            log_unexpected("what is left of calls was not written", error)
            metrics.DROPPED.labels("unexpected").inc(len(batch))
        self._writing = False
        metrics.BACKLOG.set(len(self._waiting))

    async def _wait(self, batch: Sequence[Change], error: StoreError) -> None:
        self._waiting[:0] = batch
        while len(self._waiting) > self._most:
            self._make_room()
        self._failures += 1
        pause = BACKOFF.wait_after(self._failures)
        if self._failures == 1:
            log.warning("database unavailable", writing="calls of bots", reason=str(error))
        await asyncio.sleep(pause)

    async def _write_apart(self, batch: Sequence[Change], error: StoreError) -> None:
        """Write one thing after the other: the database refuses one of them, for good."""
        if len(batch) == 1:
            log.error("not written", what="call of a bot", reason=str(error))
            metrics.DROPPED.labels("refused by the database").inc()
            return
        for place, each in enumerate(batch):
            try:
                await self._store.call(call_changes.write, self._site, _changes([each]))
            except asyncio.CancelledError:
                self._waiting[:0] = batch[place:]
                raise
            except StoreUnavailable as away:
                await self._wait(batch[place:], away)
                return
            except StoreError as refused:
                await self._write_apart([each], refused)
            except Exception as unexpected:  # noqa: BLE001 -- as above
                log_unexpected("what is left of a call was not written", unexpected)
                metrics.DROPPED.labels("unexpected").inc()


def _changes(batch: Sequence[Change]) -> CallChanges:
    return CallChanges(
        begun=[each for each in batch if isinstance(each, BotCall)],
        turns=[each for each in batch if isinstance(each, NewTurn)],
        ended=[each for each in batch if isinstance(each, CallEnd)],
    )
