"""Work that is tried again after a failure, and work that runs side by side: written once, for every package."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, NoReturn, TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, stop_never

log = structlog.get_logger(__name__)

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

STOP_LIMIT = 3.0
"""Seconds for all parts to end; usually 0.4."""
_DOUBLINGS = 60
"""No wait doubles more often: a power of two overflows in the end."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts, in seconds: the first one, doubled after each failure, up to the longest."""

    first: float
    longest: float
    least: float = 1.0
    """The share of a wait that always passes; the rest of it is chance, which spreads the attempts of many."""

    def wait_after(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row, from 1 on."""
        wait = min(self.first * 2.0 ** min(failures - 1, _DOUBLINGS), self.longest)
        if self.least < 1:
            wait = random.uniform(self.least * wait, wait)  # noqa: S311 -- spreads attempts, protects nothing
        return wait


async def retry(
    work: Callable[[], Awaitable[T]],
    *,
    errors: type[E] | tuple[type[E], ...],
    backoff: Backoff,
    on_error: Callable[[E, float], None] | None = None,
    stop_after: float | None = None,
) -> T:
    """Await `work()` until it returns, and return its result.

    Only `errors` are tried again; everything else, a cancellation too, is raised at once.

    Args:
        work: what to do; called once for each attempt.
        errors: after which of its exceptions it is called again.
        backoff: how long to wait in between.
        on_error: called before each wait with the exception and the seconds of the wait.
        stop_after: seconds since the first attempt after which an error is raised too; None for never.

    Raises:
        errors: the last one, once `stop_after` is over.
    """

    async def attempt() -> T:
        return await work()

    def report(state: RetryCallState) -> None:
        error: Any = state.outcome.exception() if state.outcome else None
        if on_error is not None:
            on_error(error, state.upcoming_sleep)

    attempts = AsyncRetrying(
        sleep=asyncio.sleep,
        retry=retry_if_exception_type(errors),
        wait=lambda state: backoff.wait_after(state.attempt_number),
        stop=stop_never if stop_after is None else stop_after_delay(stop_after),
        before_sleep=report,
        reraise=True,
    )
    return await attempts(attempt)


async def keep_running(
    work: Callable[[], Awaitable[object]],
    *,
    errors: type[E] | tuple[type[E], ...],
    backoff: Backoff,
    on_error: Callable[[E, float], None],
    healthy_after: float = inf,
) -> NoReturn:
    """Await `work()` again each time that it ends, until cancelled.

    The waits in between begin with the first one again after work that returned, and after work that failed when it
    had run for more than `healthy_after` seconds. What is none of `errors` is raised at once.

    Args:
        work: what to do.
        errors: after which of its exceptions it is called again.
        backoff: how long to wait in between, at least once after each end.
        on_error: called before the wait with the exception and the seconds of the wait.
        healthy_after: seconds.
    """
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        started = loop.time()
        try:
            await work()
        except errors as error:
            failures = 1 if loop.time() - started > healthy_after else failures + 1
            wait = backoff.wait_after(failures)
            on_error(error, wait)
        else:
            failures = 1
            wait = backoff.wait_after(failures)
        await asyncio.sleep(wait)


async def wait_at_most(event: asyncio.Event, seconds: float | None) -> None:
    """Wait until `event` is set, for so many seconds at most; None for as long as it takes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def run_together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all until one fails or all end; the first error is raised as itself."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:  # once each: a second cancellation would interrupt how they clean up
            task.cancel()
        await asyncio.wait(tasks)


async def run_until(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run all until `stop` is set or one fails."""
    work, stopped = asyncio.create_task(run_together(*parts)), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        work.cancel()
        stopped.cancel()
        _, late = await asyncio.wait({work, stopped}, timeout=STOP_LIMIT)
        if late:  # the caller gives its lease up all the same: whatever goes on may not write any more
            log.warning("stop_incomplete", seconds=STOP_LIMIT)


async def run_beside(work: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Run all until `work` ends or one fails."""
    over = asyncio.Event()

    async def run() -> None:
        await work
        over.set()

    await run_until(over, run(), *others)


class Follower(Generic[T]):
    """Serves whatever is wanted last, one thing at a time: another one ends the serving of the one before."""

    def __init__(self, serve: Callable[[T], Coroutine[Any, Any, None]]) -> None:
        """Call `serve` with what is wanted; it goes on until it is cancelled."""
        self._serve = serve
        self._wanted: T | None = None
        self._new = asyncio.Event()

    def want(self, wanted: T | None) -> None:
        """Serve this from now on; None: nothing. The same one again changes nothing."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._new.set()

    async def run(self) -> None:
        """Serve until cancelled. What `serve` raises is raised here."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._new.clear()
                serving = tasks.create_task(self._serve(self._wanted)) if self._wanted is not None else None
                await self._new.wait()
                if serving is not None:
                    serving.cancel()
                    await asyncio.wait([serving])


async def run_for_each(work: Callable[[T], Awaitable[None]], items: Iterable[T], *, at_most: int) -> None:
    """Await `work(item)` for every item, `at_most` at once, without a task for each; the first error is raised."""
    left = iter(items)

    async def take() -> None:
        for item in left:
            await work(item)

    # In a TaskGroup of Python 3.11 an error hides the cancellation that comes with it: the caller would go on.
    tasks = [asyncio.create_task(take()) for _ in range(at_most)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
