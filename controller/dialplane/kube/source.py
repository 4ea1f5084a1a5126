"""The inventory as the site loop's `Source`: what wakes it, and what it waits for."""

import asyncio

from dialplane.kube.inventory import Inventory
from dialplane.resources.snapshot import Snapshot

SECRETS_GRACE = 5.0
"""Seconds that a change waits for the values of newly referred Secrets, before it goes ahead without them."""


class KubeSource:
    """Implements `reconcile.ports.Source`. Whoever feeds the inventory calls `fed` afterwards."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._taken = -1
        self._touched = False
        self._news = asyncio.Event()

    def fed(self) -> None:
        """The inventory was fed: wake whoever waits. Cheap, and harmless where nothing changed."""
        self._news.set()

    def touch(self) -> None:
        """Something must be looked at again though the site is the same (a status could not be written)."""
        self._touched = True
        self._news.set()

    def restart(self) -> None:
        """A new site loop begins: it has taken nothing yet."""
        self._taken = -1
        self._news.set()

    @property
    def dirty(self) -> bool:
        """Whether `changed` would return now."""
        return self.inventory.passed and (self._touched or self.inventory.revision != self._taken)

    async def changed(self) -> None:
        """See `reconcile.ports.Source.changed`; also lets newly referred Secrets arrive, so that none looks missing."""
        while not self.dirty:
            self._news.clear()
            await self._news.wait()
        try:
            async with asyncio.timeout(SECRETS_GRACE):
                while self.inventory.unread_secrets:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def snapshot(self) -> Snapshot:
        """See `reconcile.ports.Source.snapshot`."""
        snapshot = self.inventory.snapshot()
        self._taken, self._touched = self.inventory.revision, False
        return snapshot
