"""A site that takes pictures: a store, a folder for objects, a spool, and a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dialplane.services.elevator.pictures.pictures import Pictures
from dialplane.services.elevator.tables import journal, snapshots
from dialplane.services.elevator.tables.journal import Entry
from dialplane.services.elevator.tables.snapshots import Snapshot
from dialplane.storage.options import StorageOptions
from dialplane.store import Store
from dialplane.store.hints import Hints
from dialplane.tasks import run_until
from tests.databases import NOW

SITE = "office"
PUBLIC = "https://lifts.example.com"


@dataclass
class PicturesSite:
    """What a test does with pictures of a site."""

    store: Store
    folder: Path
    url: str = ""
    """Of the storage; empty: a folder."""
    now: datetime = NOW
    hints: Hints = field(init=False)

    def __post_init__(self) -> None:
        self.hints = Hints(self.store, SITE)

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    @property
    def options(self) -> StorageOptions:
        return StorageOptions(self.url or self.objects.as_uri(), self.folder / "spool", PUBLIC)

    @property
    def waiting(self) -> list[Path]:
        """The files of the spool."""
        return sorted((self.folder / "spool").rglob("*.*"))

    def pictures(self) -> Pictures:
        """Those of a new process."""
        return Pictures(self.store, SITE, self.options, self.hints, now=lambda: self.now)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Pictures]:
        """The pictures of a process that runs meanwhile."""
        stop, pictures = asyncio.Event(), self.pictures()
        running = asyncio.create_task(run_until(stop, pictures.run()))
        try:
            yield pictures
        finally:
            stop.set()
            await running

    def kept(self, device: str = "town-hall-1") -> tuple[Snapshot, ...]:
        """The pictures of a device, the newest first."""
        return snapshots.page(self.store, SITE, device, limit=1000).snapshots

    def noted(self, device: str = "town-hall-1") -> tuple[Entry, ...]:
        """What the journal has of its pictures, the newest first."""
        return journal.page(self.store, SITE, device, limit=1000, types=["snapshot"]).entries
