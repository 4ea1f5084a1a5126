"""Debounce: many changes, one pass."""

import asyncio
import time


class Quiet:
    """Wakes its waiter once things have been quiet for a moment, or have been noisy for long enough.

    Times are in seconds on the monotonic clock.
    """

    def __init__(self, quiet: float = 0.1, longest: float = 1.0) -> None:
        self._quiet = quiet
        self._longest = longest
        self._first: float | None = None
        self._last = 0.0
        self._noise = asyncio.Event()

    def disturb(self) -> None:
        """Something changed."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        self._last = now
        self._noise.set()

    async def wait(self) -> None:
        """Return when there were changes since the last return and it is quiet now, or they have gone on too long."""
        await self._noise.wait()
        while (due := self._due()) > (now := time.monotonic()):  # noqa: ASYNC110 -- each disturbance moves it
            await asyncio.sleep(due - now)
        self._first = None
        self._noise.clear()

    def _due(self) -> float:
        first = self._last if self._first is None else self._first
        return min(self._last + self._quiet, first + self._longest)
