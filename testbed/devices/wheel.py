"""When each device sends its next heartbeat: one timer for all of them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

TICK_SECONDS: Final = 0.05

Entry = TypeVar("Entry")


class Wheel(Generic[Entry]):
    """Entries that come due, to a tick."""

    def __init__(self, due: Callable[[Entry], None]) -> None:
        """Call `due` for each entry when its time has come."""
        self._due = due
        self._began = time.monotonic()
        self._turn = 0
        self._spokes: defaultdict[int, list[Entry]] = defaultdict(list)

    def add(self, entry: Entry, seconds: float) -> None:
        """Have it come due after so many seconds."""
        turn = int((time.monotonic() - self._began + seconds) / TICK_SECONDS) + 1
        self._spokes[max(turn, self._turn + 1)].append(entry)

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            await asyncio.sleep(max(self._began + (self._turn + 1) * TICK_SECONDS - time.monotonic(), 0))
            self._turn += 1
            for entry in self._spokes.pop(self._turn, ()):
                self._due(entry)
