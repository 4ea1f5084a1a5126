"""The inventory as the site loop's `Source`: what wakes it, and what it waits for."""

import asyncio

from dialplane.kube.inventory import Inventory
from dialplane.reconcile.pending import Lag
from dialplane.resources.snapshot import Snapshot

VALUES_GRACE = 5.0
"""Seconds that a change waits for values that are yet to be read, before it goes ahead without them."""
REMINDER = 1.0
"""Seconds until `changed` returns again for a change that it told of, but that no snapshot was taken of."""


class KubeSource:
    """Implements `reconcile.ports.Source`. Whoever feeds the inventory calls `fed` afterwards."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._taken = -1
        self._told: tuple[int, int] | None = None
        self._touches = 0
        self._touched = False
        self._news = asyncio.Event()
        self._lag = Lag()

    def fed(self) -> None:
        """The inventory was fed: wake whoever waits. Cheap, and harmless where nothing changed."""
        if self.dirty:
            self._lag.seen()
        self._news.set()

    def touch(self) -> None:
        """Something must be looked at again though the site is the same (a status could not be written)."""
        self._touched = True
        self._touches += 1
        self._news.set()

    def restart(self) -> None:
        """A new site loop begins: it has taken nothing yet."""
        self._taken, self._told = -1, None
        self._news.set()

    @property
    def dirty(self) -> bool:
        """Whether `changed` would return now."""
        return self.inventory.passed and (self._touched or self.inventory.revision != self._taken)

    async def changed(self) -> None:
        """See `reconcile.ports.Source.changed`; also lets wanted values arrive, so that none looks missing."""
        while not self.dirty:
            self._news.clear()
            await self._news.wait()
        if self._told == (self.inventory.revision, self._touches):
            await self._reminded()
        await self._values_read()
        self._told = (self.inventory.revision, self._touches)

    async def _values_read(self) -> None:
        try:
            async with asyncio.timeout(VALUES_GRACE):
                while self.inventory.awaits_values:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    async def _reminded(self) -> None:
        """The caller was told and did not look yet, because it waits for quiet: do not let it spin."""
        try:
            async with asyncio.timeout(REMINDER):
                while self._told == (self.inventory.revision, self._touches):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def snapshot(self) -> Snapshot:
        """See `reconcile.ports.Source.snapshot`."""
        self._lag.taken()
        snapshot = self.inventory.snapshot()
        self._taken, self._touched = self.inventory.revision, False
        return snapshot
