"""When the reload that a small change of a large site did not wait for is made after all."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class PutOff:
    """One reload, put off to a quiet moment, though not for ever. Seconds on the monotonic clock."""

    quiet: float
    """So long without another such change is quiet."""
    latest: float
    """So long after the first change it is due, quiet or not."""
    clock: Callable[[], float] = time.monotonic
    _first: float | None = None
    _last: float = 0.0

    def put(self) -> None:
        """It was put off, once more."""
        self._last = self.clock()
        if self._first is None:
            self._first = self._last

    def made(self) -> None:
        """There is nothing left to be read."""
        self._first = None

    @property
    def due(self) -> bool:
        """Whether it is to be made now."""
        now = self.clock()
        return self._first is not None and (now - self._last >= self.quiet or now - self._first >= self.latest)
