"""Tells programs of devices by `POST`: in the order of each device, again until they answer, and bounded in every way.

What is to be told is in the store, and goes once a program took it: after `kill -9` it is told again, under the same
`X-Callback-Id`. Each address (scheme, host and port) has its own few requests at a time, and its own pause after a
failure: one that hangs holds up no other. A body is what an old program expects; all of ours is in headers.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final

import httpx
import structlog

from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.leader.callback_outcomes import CallbackOutcomes
from dialplane.services.elevator.leader.callback_request import CallbackTarget, ask, callback_client
from dialplane.services.elevator.tables import callbacks
from dialplane.services.elevator.tables.callbacks import DueCallback, WaitingCallback
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, wait_at_most

log = structlog.get_logger(__name__)

EACH: Final = 16
"""Requests to one address at a time."""
AT_ONCE: Final = 64
"""Requests at a time in all."""
LOOK_SECONDS: Final = 2.0
"""Between two looks for what is due, without a hint."""
GAP_SECONDS: Final = 0.2
"""Between two looks at least."""
KEPT: Final = timedelta(hours=24)
"""How long something is told again; after that nobody wants to know."""
MOST: Final = 100
"""Callbacks of one device that wait; the oldest goes for a new one."""
PRUNE_SECONDS: Final = 60.0
REFUSED: Final = Backoff(1, 300, least=0.5)
"""After an answer that refuses this one callback."""
AWAY: Final = Backoff(1, 30, least=0.5)
"""After no answer, or one that says that the program is down: the whole address waits."""
STORE_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Lane:
    """The callbacks to one address."""

    waiting: "deque[tuple[DueCallback, CallbackTarget]]" = field(default_factory=deque)
    running: int = 0
    failures: int = 0
    """In a row."""
    until: float = 0.0
    """Before that nothing is sent, by the loop's clock."""


class CallbackSender:
    """The callbacks of one site; sends while `run` runs."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        destination: Callable[[DueCallback], CallbackTarget | None],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        """Name the site.

        Args:
            store: the database.
            site: the namespace.
            destination: where a callback goes; None: nobody wants it any more.
            leads: whether this process may send.
            now: the clock.
        """
        self._store = store
        self._site = site
        self._destination = destination
        self._leads = leads
        self._now = now
        self._lanes: dict[str, _Lane] = {}
        self._sending: set[str] = set()
        self._moved: set[str] = set()
        self._filled: float | None = None
        self._again: list[float] = []
        self._woken = asyncio.Event()
        self._outcomes = CallbackOutcomes(store)

    def wake(self) -> None:
        """There may be something to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Send until cancelled."""
        self._lanes, self._sending, self._filled = {}, set(), None
        loop = asyncio.get_running_loop()
        pruned: float | None = None
        async with callback_client(AT_ONCE) as client, asyncio.TaskGroup() as sending:
            sending.create_task(self._outcomes.run(), name="outcomes of callbacks")
            while True:
                self._woken.clear()
                wait = LOOK_SECONDS
                try:
                    if self._leads():
                        if pruned is None or loop.time() - pruned >= PRUNE_SECONDS:
                            pruned = loop.time()
                            await self._prune()
                        if self._wants_more(loop.time()):
                            self._filled = loop.time()
                            await self._fill()
                        wait = min(wait, self._start(client, sending), self._until_again(loop.time()))
                except StoreError as error:
                    log.warning("callbacks wait for the store", reason=str(error))
                    wait = STORE_SECONDS
                await asyncio.sleep(GAP_SECONDS)
                await wait_at_most(self._woken, max(wait - GAP_SECONDS, 0.0))

    def _wants_more(self, time: float) -> bool:
        """Return whether to look for what is due: while much waits, once in a while, for one look reads all of it."""
        waits = any(lane.waiting for lane in self._lanes.values())
        return not waits or self._filled is None or time - self._filled >= LOOK_SECONDS

    def _until_again(self, time: float) -> float:
        """Return the seconds until the next one is tried again that was tried in vain."""
        while self._again and self._again[0] <= time:
            heappop(self._again)
        return self._again[0] - time if self._again else LOOK_SECONDS

    async def _fill(self) -> None:
        """Put what is due into the lanes, the oldest of each device."""
        self._moved = set(self._sending)
        due = await self._store.call(callbacks.heads, self._site, now=self._now())
        for lane in self._lanes.values():
            lane.waiting.clear()
        unwanted = []
        for callback in due:
            destination = self._destination(callback)
            if destination is None:
                unwanted.append(callback.seq)
            elif callback.device not in self._moved and destination.is_complete:  # else it may be told by now
                self._lanes.setdefault(destination.address, _Lane()).waiting.append((callback, destination))
        metrics.PENDING.set(len(due) - len(unwanted))
        self._lanes = {
            name: lane for name, lane in self._lanes.items() if lane.waiting or lane.running or lane.failures
        }
        if unwanted:
            await self._store.call(callbacks.settle, unwanted, {})
            self._woken.set()

    def _start(self, client: httpx.AsyncClient, sending: asyncio.TaskGroup) -> float:
        """Start what may start now; return the seconds until more may."""
        time, wait = asyncio.get_running_loop().time(), LOOK_SECONDS
        running = sum(lane.running for lane in self._lanes.values())
        for lane in self._lanes.values():
            if lane.waiting and lane.until > time:
                wait = min(wait, lane.until - time)
                continue
            most = EACH if not lane.failures else 1  # one tries whether it is back
            new = max(min(len(lane.waiting), most - lane.running, AT_ONCE - running), 0)
            lane.running += new
            running += new
            for _ in range(new):
                sending.create_task(self._work(client, lane), name="callbacks")
        return wait

    async def _work(self, client: httpx.AsyncClient, lane: _Lane) -> None:
        """Send what waits in a lane, one after the other."""
        loop = asyncio.get_running_loop()
        try:
            while lane.waiting and lane.until <= loop.time() and self._leads():
                due, destination = lane.waiting.popleft()
                self._sending.add(due.device)
                self._moved.add(due.device)
                try:
                    callback = await self._store.call(callbacks.get, due.seq)
                    if callback is not None:
                        await self._send(client, lane, callback, destination)
                finally:
                    self._sending.discard(due.device)
        except StoreError as error:  # those that wait are found again
            log.warning("callbacks wait for the store", reason=str(error))
        finally:
            lane.running -= 1
            self._woken.set()

    async def _send(
        self, client: httpx.AsyncClient, lane: _Lane, callback: WaitingCallback, destination: CallbackTarget
    ) -> None:
        status, why = await ask(client, callback, destination, f"{self._site}-{callback.seq}", self._now())
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 -- HTTP's own
            if lane.failures:
                log.info("callbacks are taken again", address=destination.address)
                self._woken.set()  # there may be more at a time
            lane.failures, result = 0, "taken"
            await self._outcomes.note(callback.seq, None)
        else:
            away = status is None or status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS  # noqa: PLR2004
            result = "failed" if away else "refused"
            pause = _pause(lane, callback, away=away)
            if (lane.failures if away else callback.attempts + 1) == 1:
                log.warning("callback not taken", address=destination.address, device=callback.device, why=why)
            await self._outcomes.note(callback.seq, self._now() + timedelta(seconds=pause))
            heappush(self._again, asyncio.get_running_loop().time() + pause)
        metrics.CALLBACKS.labels(result).inc()

    async def _prune(self) -> None:
        gone = await self._store.call(callbacks.prune, self._site, before=self._now() - KEPT, most=MOST)
        if gone:
            metrics.CALLBACKS.labels("dropped").inc(gone)
            log.warning("callbacks dropped that no program took", callbacks=gone, kept_hours=24, kept_each=MOST)


def _pause(lane: _Lane, callback: WaitingCallback, *, away: bool) -> float:
    """Return the seconds until a callback is tried again; where its program is away, the whole lane waits."""
    if not away:
        lane.failures = 0
        return REFUSED.wait_after(callback.attempts + 1)
    lane.failures += 1
    pause = AWAY.wait_after(lane.failures)
    lane.until = asyncio.get_running_loop().time() + pause
    return pause
