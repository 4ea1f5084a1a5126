"""A Lease that is renewed in a thread of its own, over a connection of its own.

A pass over thousands of resources may hold the root loop up for seconds, and its patches fill the connections; a
renewal that waited for them would come too late. Guarantees, beyond those of `Lease`:

- no work of the root loop holds a renewal up, but for the moments (5 ms) for which Python lets another thread wait;
- a root loop that hangs keeps no successor waiting: once it has not answered for `PATIENCE` seconds nothing is renewed.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

import structlog

from dialplane.kube.api import Api
from dialplane.kube.lease import Lease

log = structlog.get_logger(__name__)

PATIENCE = 60.0
"""Seconds. The chart's liveness probe ends such a process in half of it."""


class MakeLease(Protocol):
    """`Lease`, with what is its owner's alone bound already."""

    def __call__(self, *, api: Api, alive: Callable[[], bool], regained: Callable[[], None]) -> Lease:
        """Return a Lease that nobody holds yet."""


class LeaseThread:
    """Implements `reconcile.ports.Leadership`; all other methods are for the loop that calls `acquire` first."""

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Api]],
        make: MakeLease,
        regained: Callable[[], None],
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin nothing yet.

        Args:
            connect: opens the connection, in the thread.
            make: makes the Lease, likewise.
            regained: called in the root loop, see `Lease.regained`.
            patience: seconds until a root loop that does not answer counts as hanging.
            clock: monotonic seconds.
        """
        self._connect = connect
        self._make = make
        self._regained = regained
        self._patience = patience
        self._clock = clock
        self._root: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lease: Lease | None = None
        self._connection = AsyncExitStack()
        self._released = False
        self._asked: float | None = None
        """Since when an answer of the root loop is awaited."""
        self._hangs = False

    def held(self) -> bool:
        """See `reconcile.ports.Leadership.held`."""
        return not self._released and self._lease is not None and self._lease.held()

    async def acquire(self) -> None:
        """See `Lease.acquire`; the first call starts the thread.

        Raises:
            ForbiddenError: refused.
            ConnectionUnknownError: there is no cluster to connect to.
        """
        self._start()
        await self._in_thread(self._acquire())

    async def renew(self) -> None:
        """See `Lease.renew`.

        Raises:
            ForbiddenError: refused, and not held any more.
        """
        await self._in_thread(self._opened.renew())

    async def release(self) -> None:
        """See `Lease.release`; ends the thread."""
        self._released = True
        if self._loop is None:
            return
        try:
            await self._in_thread(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None

    def _start(self) -> None:
        if self._loop is not None:
            return
        self._root = asyncio.get_running_loop()
        runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = runner.get_loop()

        def run() -> None:
            with runner:  # which ends what is left of the tasks
                runner.get_loop().run_forever()

        threading.Thread(target=run, name="lease", daemon=True).start()  # a daemon: it holds no exit up

    async def _in_thread(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in the thread's loop; a cancellation goes there too."""
        assert self._loop is not None  # noqa: S101 -- `acquire` comes first
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _acquire(self) -> None:
        if self._lease is None:
            api = await self._connection.enter_async_context(self._connect())
            self._lease = self._make(api=api, alive=self._root_answers, regained=self._tell_root)
        await self._lease.acquire()

    async def _close(self) -> None:
        try:
            if self._lease is not None:
                await self._lease.release()
        finally:
            await self._connection.aclose()

    @property
    def _opened(self) -> Lease:
        assert self._lease is not None  # noqa: S101 -- `acquire` comes first
        return self._lease

    def _root_answers(self) -> bool:
        """Whether the root loop answered the last question, or may still be busy."""
        asked = self._asked
        if asked is None:
            asked = self._asked = self._clock()
            self._call_root(self._answer)
        hangs = self._clock() - asked >= self._patience
        if hangs and not self._hangs:
            log.error("root_loop_hangs", seconds=round(self._clock() - asked), effect="the lease is not renewed")
        self._hangs = hangs
        return not hangs

    def _answer(self) -> None:
        self._asked = None

    def _tell_root(self) -> None:
        self._call_root(self._regained)

    def _call_root(self, call: Callable[[], None]) -> None:
        assert self._root is not None  # noqa: S101 -- the thread runs
        self._root.call_soon_threadsafe(call)
