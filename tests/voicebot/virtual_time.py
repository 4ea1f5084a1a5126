"""An event loop whose clock jumps to the next timer: a call of a minute takes as long as its work, and no longer."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Looks, and where nothing is there lets the time pass that it should have waited."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else 0.01)
        if not ready and timeout:
            self._jump(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that begins at second 1000. What waits for threads or sockets is not for it."""

    def __init__(self) -> None:
        self._seconds = 1000.0
        super().__init__(_JumpingSelector(self._pass))

    def time(self) -> float:
        """Return the seconds of this loop."""
        return self._seconds

    def _pass(self, seconds: float) -> None:
        self._seconds += seconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run some work in time of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
