"""The desk that takes commands: whatever is asked for while a transaction runs goes into the next one.

So a thousand commands a second cost a few transactions. Whether a device is connected is looked at in the transaction
that queues its command: what is physical is never queued for one that is not.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import structlog

from dialplane.services.elevator.tables import commands, sessions
from dialplane.services.elevator.tables.commands import Command, NewCommand
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.store.hints import Hints, notify_within, replica_channel

log = structlog.get_logger(__name__)

MOST: Final = 2000
"""Commands in one transaction."""
BETWEEN_SECONDS: Final = 0.02
"""Between the beginnings of two transactions: who comes first does not wait, and a crowd shares them."""
CROWD: Final = 20
"""Commands in one transaction, after which the next one begins `CROWD_SECONDS` later: each takes three others along, to
wake a gateway, to claim and to answer."""
CROWD_SECONDS: Final = 0.04
ACKNOWLEDGES: Final = "ack"
"""The capability of a device that acknowledges commands."""

Denial = Literal["Offline", "Unacknowledged", "KeyReused"]
"""`Offline`: the device is not connected. `Unacknowledged`: it acknowledges nothing, so nobody would know whether a
physical command was carried out. `KeyReused`: the `request_key` was used for another command."""


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command that a caller wants sent."""

    new: NewCommand
    keyed: bool = False
    """The caller chose the `request_key`: it may have been asked for before."""
    online_only: bool = False
    """Not to be kept for a device that is offline. What is physical never is."""
    allow_unacknowledged: bool = False
    """Though physical, it may go to a device that acknowledges nothing."""


@dataclass(frozen=True, slots=True)
class _Submission:
    """What one caller asks for."""

    requests: Sequence[CommandRequest]
    answer: "asyncio.Future[list[Command | Denial]]"


@dataclass(frozen=True, slots=True)
class _Settlement:
    """What became of a batch."""

    answers: list[Command | Denial]
    """One for each request."""
    replicas: frozenset[str]
    """Those that have something to send now."""


class CommandDesk:
    """Queues commands of one site; serves while `run` runs."""

    def __init__(
        self, store: Store, site: str, hints: Hints | None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Name the site; `hints` wake the gateways, which look by themselves where there are none."""
        self._store = store
        self._site = site
        self._hints = hints
        self._now = now
        self._waiting: list[_Submission] = []
        self._work = asyncio.Event()
        self._closed = False

    async def submit(self, requests: Sequence[CommandRequest]) -> list[Command | Denial]:
        """Queue commands, all in one transaction.

        Cancelled, they may be queued all the same.

        Returns:
            For each the command, of an earlier time where its `request_key` was used before, or why it was not queued.

        Raises:
            StoreError: nobody knows whether they were queued.
        """
        if self._closed:
            raise _stopping()
        answer: asyncio.Future[list[Command | Denial]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(requests, answer))
        self._work.set()
        return await answer

    async def run(self) -> None:
        """Serve until cancelled, whatever the store does; it may run again after that."""
        self._closed = False
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._work.wait()
                begun, batch = loop.time(), self._next()
                await self._settle(batch)
                crowd = sum(len(each.requests) for each in batch) >= CROWD
                await asyncio.sleep(begun + (CROWD_SECONDS if crowd else BETWEEN_SECONDS) - loop.time())
        finally:
            self._closed = True
            for each in self._waiting:
                _fail(each, _stopping())
            self._waiting.clear()

    def _next(self) -> list[_Submission]:
        """Return what goes into the next transaction: at most `MOST` commands, or one caller's."""
        batch: list[_Submission] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].requests) <= MOST):
            batch.append(self._waiting.pop(0))
            size += len(batch[-1].requests)
        if not self._waiting:
            self._work.clear()
        return [each for each in batch if not each.answer.done()]

    async def _settle(self, batch: Sequence[_Submission]) -> None:
        requests = [request for each in batch for request in each.requests]
        try:
            settlement = await self._store.call(_settle, self._site, requests, now=self._now(), reached=self._reached)
        except asyncio.CancelledError:
            for each in batch:
                _fail(each, _stopping())
            raise
        except StoreUnavailable as error:
            log.warning("the store does not answer", error=str(error), commands=len(requests))
            for each in batch:
                _fail(each, error)
        except Exception as error:  # noqa: BLE001 -- whatever one of them is made of, the others are served
            await self._apart(batch, error)
        else:
            self._wake(settlement.replicas)
            _answer(batch, settlement.answers)

    async def _apart(self, batch: Sequence[_Submission], error: Exception) -> None:
        """The store refuses one of them, for good."""
        if len(batch) > 1:
            for each in batch:
                await self._settle([each])
            return
        _fail(batch[0], error)
        said = str(error) if isinstance(error, StoreError) else type(error).__name__
        log.error("the store refuses a command", error=said)

    def _reached(self, replica: str) -> bool:
        return self._hints is not None and self._hints.reaches(replica_channel(replica))

    def _wake(self, replicas: frozenset[str]) -> None:
        if self._hints is not None:
            for replica in replicas:
                self._hints.wake(replica_channel(replica))


def _settle(
    store: Store, site: str, requests: Sequence[CommandRequest], *, now: datetime, reached: Callable[[str], bool]
) -> _Settlement:
    """Queue what may be queued, in one transaction, whose commit wakes the gateways of other processes.

    Args:
        store: the database.
        site: the namespace.
        requests: what is asked for.
        now: the time.
        reached: whether a replica runs in this process.
    """
    with store.write() as connection:
        keyed = [each.new for each in requests if each.keyed]
        earlier = commands.earlier_within(connection, site, keyed) if keyed else {}
        connected = sessions.open_within(connection, site, sorted({each.new.device for each in requests}))
        answers: list[Command | Denial | None] = []
        wanted: list[CommandRequest] = []
        for request in requests:
            before = earlier.get((request.new.token, request.new.request_key, request.new.device))
            session = connected.get(request.new.device)
            if before is not None:
                answers.append(_same(before, request.new))
            elif (denial := _denial(request, session)) is not None:
                answers.append(denial)
            else:
                answers.append(None)
                wanted.append(request)
        queued = iter(commands.queue_within(connection, store, site, [each.new for each in wanted], now=now))
        asked = iter(wanted)
        settled = [_same(next(queued), next(asked).new) if answer is None else answer for answer in answers]
        busy = {
            connected[each.device].replica
            for each in settled
            if isinstance(each, Command) and each.state == "queued" and each.device in connected
        }
        for replica in busy:
            if not reached(replica):
                notify_within(connection, replica_channel(replica), site)
    return _Settlement(settled, frozenset(busy))


def _denial(request: CommandRequest, session: sessions.Session | None) -> Denial | None:
    if session is None:
        return "Offline" if request.new.physical or request.online_only else None
    if request.new.physical and not request.allow_unacknowledged and ACKNOWLEDGES not in session.capabilities:
        return "Unacknowledged"
    return None


def _same(kept: Command, new: NewCommand) -> Command | Denial:
    """Return the command that is kept, where it is the one that is asked for."""
    return kept if (kept.name, kept.data) == (new.name, new.data) else "KeyReused"


def _answer(batch: Sequence[_Submission], answers: Iterable[Command | Denial]) -> None:
    rest = iter(answers)
    for each in batch:
        own = [next(rest) for _ in each.requests]
        if not each.answer.done():
            each.answer.set_result(own)


def _stopping() -> StoreUnavailable:
    return StoreUnavailable("the controller is being stopped")


def _fail(submission: _Submission, error: Exception) -> None:
    if not submission.answer.done():
        submission.answer.set_exception(error)
