"""Calls that got no extension: told at once, and then once a minute with how many there were."""

import asyncio
from collections.abc import Callable
from typing import Final

from dialplane.services.infinity.tables.leases import Denied

FOLD_SECONDS: Final = 60.0


class PoolExhausted:
    """Counts for each tenant. From the loop's thread alone."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        """`tell` gets the tenant and what is wrong."""
        self._tell = tell
        self._told: dict[str, float] = {}
        self._since: dict[str, tuple[int, Denied]] = {}
        self._news = asyncio.Event()

    def denied(self, tenant: str, denied: Denied) -> None:
        """A call got none."""
        number, _ = self._since.get(tenant, (0, denied))
        self._since[tenant] = number + 1, denied
        self._news.set()

    async def run(self) -> None:
        """Tell, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            due = [tenant for tenant in self._since if self._told.get(tenant, float("-inf")) + FOLD_SECONDS <= now]
            for tenant in due:
                self._tell(tenant, _sentence(*self._since.pop(tenant)))
                self._told[tenant] = now
            waits = [self._told[tenant] + FOLD_SECONDS - now for tenant in self._since]
            self._news.clear()
            try:
                async with asyncio.timeout(min(waits, default=None)):
                    await self._news.wait()
            except TimeoutError:
                continue


def _sentence(number: int, last: Denied) -> str:
    calls = "a call" if number == 1 else f"{number} calls"
    if last.reason == "AtMaximum":
        return f"{calls} refused: {last.in_use} are going on, and maxConcurrentCalls is {last.maximum}"
    return f"{calls} refused: none of {last.total} extensions is free, {last.in_use} are in calls"
