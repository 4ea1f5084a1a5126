"""Hands messages to modems, each at most once.

The store says `sending` before the action goes out. A modem that says no leaves the message to another; an answer that
does not come leaves it unknown for ever, but for the network's report. One message at a time for each modem; which
modem takes it is nobody's choice: each takes the eldest that it may, as soon as it may.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Concatenate, Final, ParamSpec

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import (
    ActionRefused,
    ActionTimeout,
    ActionUnknown,
    ConnectionLost,
    LineRefused,
    PermissionMissing,
)
from dialplane.asterisk.modem import ShortMessage, maybe_taken, not_now, send, words
from dialplane.asterisk.sms_text import escape
from dialplane.logs import log_unexpected
from dialplane.resources.dongle import DongleSpec
from dialplane.services.sms import metrics
from dialplane.services.sms.tables import outgoing_parts
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.services.sms.tables.outgoing_parts import Claim
from dialplane.services.sms.token_bucket import Pace
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.tasks import Backoff, retry, wait_at_most

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the queue is looked at without a word; another process may have put a message in."""
REST_SECONDS: Final = 5.0
"""How long a modem is left alone that was out of service when it was asked."""
STOP_WITHIN: Final = 3.0
"""Seconds that answers under way are waited for when the service ends."""
_SHORTEST_VALIDITY: Final = 5

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Ready:
    """A modem that may be asked."""

    name: str
    spec: DongleSpec


class Sender:
    """Sends the messages of one site."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        leads: Callable[[], bool],
        ready: Callable[[], tuple[Ready, ...]],
        became: Callable[[Outgoing], None],
        took: Callable[[str, datetime], None],
        doubted: Callable[[], None],
    ) -> None:
        """Name the site.

        Args:
            store: the queue.
            site: the namespace.
            leads: whether this process may send, asked right before.
            ready: the Dongles that are in service now.
            became: hears what became of a message, each time.
            took: hears of each message that a modem took, and when.
            doubted: called when a modem was not in service after all.
        """
        self.dongles: Mapping[str, DongleSpec] = {}
        """All Dongles that may send: who is left to ask in a group."""
        self.under_way: set[str] = set()
        """Payloads of parts whose end is still to be written down."""
        self._store = store
        self._site = site
        self._leads = leads
        self._ready = ready
        self._became = became
        self._took = took
        self._doubted = doubted
        self._wake = asyncio.Event()
        self._paces: dict[str, Pace] = {}
        self._resting: dict[str, float] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._served: dict[str, float] = {}
        self._stopping = False

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self, link: AsteriskLink) -> None:
        """Send until cancelled; answers under way are waited for a little."""
        self._stopping = False
        try:
            while True:
                self._wake.clear()
                soon = self._begin(link, link.state.ami) if isinstance(link.state, Up) else LOOK_SECONDS
                await wait_at_most(self._wake, soon)
        finally:
            self._stopping = True
            if under_way := set(self._busy.values()):
                _, late = await asyncio.wait(under_way, timeout=STOP_WITHIN)
                for task in late:
                    task.cancel()

    def _begin(self, link: AsteriskLink, ami: Ami) -> float:
        """Ask every modem that may be asked now; returns the seconds until another may be."""
        now, soon = asyncio.get_running_loop().time(), LOOK_SECONDS
        for ready in sorted(self._ready(), key=lambda each: (self._served.get(each.name, 0.0), each.name)):
            pace = self._paces.get(ready.name) or Pace.start(ready.spec.sms.per_minute, now)
            self._paces[ready.name] = pace = pace.allowed(ready.spec.sms.per_minute, now)
            if ready.name in self._busy or self._resting.get(ready.name, 0.0) > now:
                continue
            if not pace.ready:
                soon = min(soon, pace.wait)
                continue
            task = asyncio.create_task(self._serve(link, ami, ready), name=f"sms {ready.name}")
            self._busy[ready.name] = task
            task.add_done_callback(partial(self._done, ready.name))
        return soon

    def _done(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._busy[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log_unexpected("a message was left", error, dongle=name)

    async def _serve(self, link: AsteriskLink, ami: Ami, ready: Ready) -> None:
        """Send one part, if there is one."""
        groups = frozenset({ready.spec.group} if ready.spec.group else ())
        try:
            claim = await self._store.call(outgoing_parts.claim, self._site, ready.name, groups, now=_now())
        except StoreError as error:
            log.warning("messages wait for the store", error=str(error))
            self._rest(ready.name)
            return
        if claim is None:
            return
        self.under_way.add(claim.payload)
        try:
            await self._attempt(link, ami, ready, claim)
        finally:
            self.under_way.discard(claim.payload)

    async def _attempt(self, link: AsteriskLink, ami: Ami, ready: Ready, claim: Claim) -> None:
        loop = asyncio.get_running_loop()
        connected = isinstance(link.state, Up) and link.state.ami is ami
        if self._stopping or not connected or not self._leads():
            await self._settle(outgoing_parts.put_back, claim.payload, now=_now())
            return
        self._paces[ready.name] = self._paces[ready.name].taken()
        self._served[ready.name] = loop.time()
        if claim.number == 0:
            metrics.QUEUE_SECONDS.observe(max((_now() - claim.message.queued_at).total_seconds(), 0.0))
        await self._hand_over(ami, ready, claim)
        self._wake.set()

    async def _hand_over(self, ami: Ami, ready: Ready, claim: Claim) -> None:
        message, told = claim.message, {"message": claim.message.id, "part": claim.number, "dongle": ready.name}
        try:
            await send(ami, ready.spec.driver, ready.name, _short(claim))
        except (PermissionMissing, ActionUnknown) as refusal:
            # Nothing is wrong with the message: the AMI account lacks `write = call`, or the driver was unloaded.
            log.warning("messages cannot be handed over", **told, error=str(refusal))
            self._rest(ready.name)
            error = f"{ready.name}: {refusal}"
            await self._note("not now", outgoing_parts.put_back, claim.payload, now=_now(), error=error)
        except ActionRefused as refusal:
            await self._refused(ready, claim, refusal)
        except LineRefused as error:
            await self._note(
                "refused", outgoing_parts.refused, claim.payload, error=str(error), others=frozenset(), now=_now()
            )
        except (ActionTimeout, ConnectionLost) as error:
            log.warning("nobody knows whether a message was taken: it is not sent again", **told, error=str(error))
            await self._note("lost", outgoing_parts.lost, claim.payload, error=str(error), now=_now())
        else:
            log.info("message taken", **told, of=message.parts_total)
            at = _now()
            await self._note("taken", outgoing_parts.accepted, claim.payload, now=at)
            self._took(ready.name, at)

    async def _refused(self, ready: Ready, claim: Claim, refusal: ActionRefused) -> None:
        said = words(refusal)
        log.warning("modem refused a message", message=claim.message.id, dongle=ready.name, error=said)
        if maybe_taken(refusal):
            await self._note("lost", outgoing_parts.lost, claim.payload, error=f"{ready.name}: {said}", now=_now())
        elif not_now(refusal):
            self._rest(ready.name)
            self._doubted()
            await self._note("not now", outgoing_parts.put_back, claim.payload, now=_now())
        else:
            others = self._candidates(claim.message)
            error = f"{ready.name}: {said}"
            await self._note("refused", outgoing_parts.refused, claim.payload, error=error, others=others, now=_now())

    def _candidates(self, message: Outgoing) -> frozenset[str]:
        if message.group_asked is None:
            return frozenset()
        return frozenset(name for name, spec in self.dongles.items() if spec.group == message.group_asked)

    def _rest(self, name: str) -> None:
        self._resting[name] = asyncio.get_running_loop().time() + REST_SECONDS

    async def _note(
        self,
        result: str,
        function: Callable[Concatenate[Store, str, P], Outgoing | None],
        payload: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        metrics.ATTEMPTS.labels(result).inc()
        await self._settle(function, payload, *args, **kwargs)

    async def _settle(
        self,
        function: Callable[Concatenate[Store, str, P], Outgoing | None],
        payload: str,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        """Write down what happened, however long the store is away: until then this modem sends nothing else."""
        note = partial(self._store.call, function, payload, *args, **kwargs)
        message = await retry(note, errors=StoreUnavailable, backoff=Backoff(0.2, 5, least=0))
        if message is not None:
            self._became(message)


def _short(claim: Claim) -> ShortMessage:
    """What the modem is asked; it gets what is left of the message's validity."""
    left = math.ceil((claim.message.expires_at - _now()).total_seconds() / 60)
    return ShortMessage(
        number=claim.message.recipient,
        text=escape(claim.text),
        payload=claim.payload,
        validity_minutes=max(left, _SHORTEST_VALIDITY),
        report=claim.message.delivery_report,
    )


def _now() -> datetime:
    return datetime.now(UTC)
