"""A thread that sees the event loop stand still: callers whose bot has frozen are not left in silence.

It cuts the sockets of all calls. Asterisk then sends their callers to the fallback, and new ones elsewhere, just as if
this process were dead; it goes on once the loop does.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

LIMIT: Final = 2.0
"""Seconds for which the loop may stand still."""
BEAT: Final = 0.2


class Watchdog:
    """Watches the loop that `run` is awaited in."""

    def __init__(self, cut: Callable[[], None], *, limit: float = LIMIT) -> None:
        """Call `cut`, from another thread, when the loop has stood still for so many seconds."""
        self._cut = cut
        self._limit = limit
        self._beat = 0.0
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        self._beat = time.monotonic()
        self._stop.clear()
        threading.Thread(target=self._watch, name="bot-watchdog", daemon=True).start()
        try:
            while True:
                self._beat = time.monotonic()
                await asyncio.sleep(BEAT)
        finally:
            self._stop.set()

    def _watch(self) -> None:
        looked, cut_at = time.monotonic(), 0.0
        while not self._stop.wait(BEAT):
            now, beat = time.monotonic(), self._beat
            # Where this thread has been held up as well, the machine was: the loop gets a chance first.
            late, looked = now - looked > self._limit / 2, now
            if not late and now - beat > self._limit and cut_at < beat:
                cut_at = now
                log.error("event loop stands still", seconds=round(now - beat, 1), cure="its calls go to the fallback")
                self._cut()
