"""Debounce: many changes, one pass.

A few changes wait a second at the most. A storm (hundreds of manifests applied at once) is given longer: each pass in the
middle of it would cost Asterisk reloads that the next one repeats.
"""

import asyncio
import time

STORM = 30
"""So many disturbances since the last return are a storm."""


class Quiet:
    """Wakes its waiter once things have been quiet for a moment, or have been noisy for long enough.

    Times are in seconds on the monotonic clock; in a storm, `storm` stands for `longest`.
    """

    def __init__(self, quiet: float = 0.1, longest: float = 1.0, storm: float = 5.0) -> None:
        self._quiet = quiet
        self._longest = longest
        self._storm = max(longest, storm)
        self._count = 0
        self._first: float | None = None
        self._last = 0.0
        self._noise = asyncio.Event()

    def disturb(self) -> None:
        """Something changed."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        self._last = now
        self._count += 1
        self._noise.set()

    async def wait(self) -> None:
        """Return when there were changes since the last return and it is quiet now, or they have gone on too long."""
        await self._noise.wait()
        while (due := self._due()) > (now := time.monotonic()):  # noqa: ASYNC110 -- each disturbance moves it
            await asyncio.sleep(due - now)
        self._first = None
        self._count = 0
        self._noise.clear()

    def _due(self) -> float:
        first = self._last if self._first is None else self._first
        return min(self._last + self._quiet, first + (self._longest if self._count < STORM else self._storm))
