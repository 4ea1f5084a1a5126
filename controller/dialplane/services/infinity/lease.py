"""The desk that gives extensions to calls: whatever is asked while a transaction runs goes into the next one.

So two hundred callers cost a few transactions, and who waits is served in the order of asking. That order is this
process's own; that no extension has two calls, and no tenant too many, holds over all processes by the database.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, ParamSpec

import structlog

from dialplane.logs import log_unexpected
from dialplane.services.infinity.tables import leases
from dialplane.services.infinity.tables.calls import Call, NewCall, new_id
from dialplane.services.infinity.tables.leases import Change, Denied, Leased, Request, Settled
from dialplane.store import Store, StoreError, StoreUnavailable

P = ParamSpec("P")

log = structlog.get_logger(__name__)

REAP_SECONDS: Final = 1.0
"""Between two looks for calls whose deadline has passed."""
LOOK_SECONDS: Final = 0.25
"""Between two looks whether another process has given back what somebody waits for here."""
GIVE_UP_SECONDS: Final = 5.0
"""How long a caller waits for a store that does not answer."""
AGAIN_SECONDS: Final = 0.2
"""Between two attempts at such a store."""


@dataclass(slots=True, eq=False)
class _Asking:
    """A caller who wants an extension."""

    request: Request
    patient: bool
    """Waits where there is none."""
    answer: "asyncio.Future[Leased]"
    due: bool = True
    """Not tried yet, or to be tried once more."""
    failing: float | None = None
    """Since when the store does not answer."""


@dataclass(slots=True, eq=False)
class _Telling:
    """A caller who found something out about a call; None as `answer`: the desk itself, which does not give up."""

    change: Change
    answer: "asyncio.Future[Call | None] | None" = None
    failing: float | None = None


@dataclass(slots=True)
class _Batch:
    """What goes into one transaction."""

    telling: list[_Telling] = field(default_factory=list)
    asking: list[_Asking] = field(default_factory=list)


class LeaseDesk:
    """Gives extensions to the calls of one process, and takes them back; serves while `run` runs."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        told: Callable[[Call], None] = lambda _: None,
        denied: Callable[[str, Denied], None] = lambda *_: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Name the site.

        Args:
            store: where calls are kept.
            site: the namespace.
            told: called with every call that came into another state here, new ones and overdue ones included, once
                that is committed.
            denied: called with the tenant and the reason, each time that a caller got no extension.
            now: the clock that deadlines go by.
        """
        self._store = store
        self._site = site
        self._told = told
        self._denied = denied
        self._now = now
        self._queues: dict[str, list[_Asking]] = {}
        self._telling: list[_Telling] = []
        self._work = asyncio.Event()
        self._freed = False
        self._closed = False

    async def lease(self, wanted: NewCall, *, wait_seconds: float = 0) -> Leased:
        """An extension for a call, or why there is none.

        Who waits is served in order, and nobody who does not wait comes first. Cancelled, what it got is given back.

        Raises:
            StoreError: nobody knows whether it got one; what it may have got is given back.
        """
        if self._closed:
            raise _gone()
        answer: asyncio.Future[Leased] = asyncio.get_running_loop().create_future()
        mine = _Asking(Request(wanted, new_id()), wait_seconds > 0, answer)
        self._queues.setdefault(wanted.tenant, []).append(mine)
        self._work.set()
        try:
            if mine.patient:
                await asyncio.wait({answer}, timeout=wait_seconds)
                mine.patient, mine.due = False, True
                self._work.set()
            return await answer
        except asyncio.CancelledError:
            if answer.cancel() or answer.cancelled():
                if mine.failing is not None:  # and what was tried may have been done
                    self._tell(_Telling(_unused(mine.request.id)))
            elif answer.exception() is None:
                self._give_back(mine, answer.result())
            raise

    async def change(self, change: Change) -> Call | None:
        """Note what was found out about a call; the call as it is then. Cancelled, it is noted all the same.

        Raises:
            StoreError: nobody knows whether it was noted.
        """
        if self._closed:
            raise _gone()
        answer: asyncio.Future[Call | None] = asyncio.get_running_loop().create_future()
        self._tell(_Telling(change, answer))
        return await answer

    async def run(self) -> None:
        """Serve until cancelled, whatever the store does; it may run again after that."""
        self._closed = False
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._reap(), name="lease reaper")
                tasks.create_task(self._look(), name="lease look-out")
                tasks.create_task(self._serve(), name="lease desk")
        finally:
            await self._close()

    async def _serve(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            batch = self._next()
            if batch.telling or batch.asking:
                await self._settle(batch)

    def _next(self) -> _Batch:
        """Everything that is to be done now."""
        batch = _Batch(self._telling)
        self._telling = []
        freed = self._freed or any(each.change.to == "released" for each in batch.telling)
        self._freed = False
        for tenant, queue in list(self._queues.items()):
            queue[:] = [each for each in queue if not each.answer.done()]
            if not queue:
                del self._queues[tenant]
            elif freed or any(each.due for each in queue):
                batch.asking += queue  # all of them: in order, so that nobody is overtaken
        return batch

    async def _settle(self, batch: _Batch) -> None:
        changes = [each.change for each in batch.telling]
        requests = [each.request for each in batch.asking]
        for each in batch.asking:
            each.due = False
        settling = asyncio.ensure_future(
            self._store.call(leases.settle, self._site, changes, requests, now=self._now())
        )
        try:
            settled = await asyncio.shield(settling)
        except asyncio.CancelledError:  # it goes on in its thread: whoever got something is told all the same
            try:
                self._answer(batch, await settling)
            except Exception:  # noqa: BLE001 -- nobody knows whether it was done: `_close` sees to it
                self._telling[:0] = batch.telling
                for asking in batch.asking:
                    asking.failing = asking.failing or time.monotonic()
            raise
        except StoreUnavailable as error:
            self._failed(batch, error)
            await asyncio.sleep(AGAIN_SECONDS)
        except Exception as error:  # noqa: BLE001 -- whatever one of them is made of, the others are served
            await self._apart(batch, error)
        else:
            self._answer(batch, settled)

    def _answer(self, batch: _Batch, settled: Settled) -> None:
        for telling, changed in zip(batch.telling, settled.changes, strict=True):
            again = telling.failing is not None  # it may have been done the first time
            if changed is not None and (changed.moved or (again and changed.call.state == telling.change.to)):
                self._hear(self._told, changed.call)
            if telling.answer is not None and not telling.answer.done():
                telling.answer.set_result(changed.call if changed else None)
        for asking, leased in zip(batch.asking, settled.leases, strict=True):
            asking.failing = None
            if leased.call is not None and leased.fresh:
                self._hear(self._told, leased.call)
            if asking.answer.done():
                self._give_back(asking, leased)
            elif leased.denied is None or not (asking.patient and leased.denied.passes):
                asking.answer.set_result(leased)
                if leased.denied is not None:
                    self._hear(self._denied, asking.request.new.tenant, leased.denied)

    def _failed(self, batch: _Batch, error: StoreUnavailable) -> None:
        """Nobody knows whether it was committed: the same again is the same call."""
        now = time.monotonic()
        for telling in batch.telling:
            telling.failing = telling.failing or now
            if telling.answer is not None and now - telling.failing > GIVE_UP_SECONDS:
                _fail(telling.answer, error)
        kept = [
            each for each in batch.telling if each.answer is None or not isinstance(_error(each.answer), StoreError)
        ]
        for asking in batch.asking:
            asking.due, asking.failing = True, asking.failing or now
            if asking.answer.done() or now - asking.failing > GIVE_UP_SECONDS:
                _fail(asking.answer, error)
                kept.append(_Telling(_unused(asking.request.id)))
        self._telling[:0] = kept
        self._work.set()
        log.warning("the store does not answer", error=str(error), waiting=len(kept) + len(batch.asking))

    async def _apart(self, batch: _Batch, error: Exception) -> None:
        """The store refuses one of them, for good: nobody else is to suffer."""
        if len(batch.telling) + len(batch.asking) == 1:
            for answer in (*(each.answer for each in batch.telling), *(each.answer for each in batch.asking)):
                if answer is not None:
                    _fail(answer, error)
            log.error(
                "the store refuses a call", error=str(error) if isinstance(error, StoreError) else repr(type(error))
            )
            return
        for telling in batch.telling:
            await self._settle(_Batch([telling]))
        for asking in batch.asking:
            await self._settle(_Batch([], [asking]))

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_SECONDS)
            try:
                ended = await self._store.call(leases.reap, self._site, now=self._now())
            except StoreError as error:
                log.warning("overdue calls cannot be ended now", error=str(error))
                continue
            for call in ended:
                log.info("a call is overdue", call=call.id, tenant=call.tenant, state=call.state)
                self._hear(self._told, call)
            if ended:
                log.warning("calls were overdue", calls=len(ended), first=ended[0].id)
                self._again()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._queues:
                self._again()

    def _again(self) -> None:
        """Something may be free now."""
        self._freed = True
        self._work.set()

    def _give_back(self, asking: _Asking, leased: Leased) -> None:
        """Its caller is gone."""
        if leased.call is not None and leased.fresh:
            self._tell(_Telling(_unused(asking.request.id)))

    def _tell(self, telling: _Telling) -> None:
        self._telling.append(telling)
        self._work.set()

    @staticmethod
    def _hear(listener: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            listener(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 -- the desk goes on, whatever a listener makes of it
            log_unexpected("nobody could be told of a call", error)

    async def _close(self) -> None:
        """Write what callers who are gone left, once; turn the others away."""
        self._closed = True
        for queue in self._queues.values():
            for asking in queue:
                if asking.failing is not None:
                    self._tell(_Telling(_unused(asking.request.id)))
                _fail(asking.answer, _gone())
        self._queues.clear()
        batch = _Batch(self._telling)
        self._telling = []
        if batch.telling:
            left = [each.change for each in batch.telling]
            with contextlib.suppress(StoreError):
                settled = await self._store.call(leases.settle, self._site, left, (), now=self._now())
                self._answer(batch, settled)
        for telling in batch.telling:
            if telling.answer is not None:
                _fail(telling.answer, _gone())


def _gone() -> StoreUnavailable:
    return StoreUnavailable("the controller is being stopped")


def _unused(call: str) -> Change:
    """Nobody asked the platform for it: its caller went before."""
    return Change(call, "released", rung="no", outcome="Cancelled", reason="its caller went before it was placed")


def _fail(answer: "asyncio.Future[Leased] | asyncio.Future[Call | None]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _error(answer: "asyncio.Future[Call | None]") -> BaseException | None:
    return answer.exception() if answer.done() and not answer.cancelled() else None
