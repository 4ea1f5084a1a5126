"""Takes pictures out of the spool into the object storage, and notes them in the store; tries until it is done.

A picture leaves the spool after its row is written. Whatever happens in between is done again, and does no harm: the
object has a name of its own, and the row is written once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from dialplane.resources.moment import timestamp
from dialplane.services.elevator.pictures import metrics
from dialplane.services.elevator.pictures.addresses import PictureAddresses
from dialplane.services.elevator.pictures.spool import Spool
from dialplane.services.elevator.tables import snapshots
from dialplane.services.elevator.tables.callbacks import NewCallback
from dialplane.services.elevator.tables.snapshots import NewSnapshot
from dialplane.storage.errors import StorageError
from dialplane.storage.object_storage import ObjectStorage
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, run_for_each, wait_at_most

log = structlog.get_logger(__name__)

AT_ONCE: Final = 4
"""Pictures on their way to the storage."""
LOOK_SECONDS: Final = 30.0
"""How often to look for pictures that another process left behind."""
OTHERS_AFTER: Final = 60.0
"""Seconds; a picture that waits for so long is nobody's any more."""
BACKOFF: Final = Backoff(1, 30)


class PictureQueue:
    """Empties one spool."""

    def __init__(
        self,
        store: Store,
        site: str,
        storage: ObjectStorage,
        spool: Spool,
        addresses: PictureAddresses,
        *,
        stored: Callable[[], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        """Call `stored` when pictures were stored; `now` is the clock."""
        self._store = store
        self._site = site
        self._storage = storage
        self._spool = spool
        self._addresses = addresses
        self._stored = stored
        self._now = now
        self._wake = asyncio.Event()
        self._own: list[Path] = []

    def add(self, file: Path) -> None:
        """Store this picture, which this process put into the spool; never waits."""
        self._own.append(file)
        self._wake.set()

    async def run(self) -> None:
        """Store pictures until cancelled; begins with what an earlier process left behind."""
        failures, age = 0, 0.0
        while True:
            self._wake.clear()
            try:
                await self._look(age)
                age = OTHERS_AFTER
                await self._empty()
                failures = 0
            except (StorageError, StoreError, OSError) as error:
                failures += 1
                metrics.STORAGE_FAILURES.inc(isinstance(error, StorageError))
                wait = BACKOFF.wait_after(failures)
                log.warning("pictures wait", reason=str(error), waiting=len(self._own), retry_seconds=wait)
                await asyncio.sleep(wait)
            else:
                await wait_at_most(self._wake, LOOK_SECONDS)

    async def _look(self, age: float) -> None:
        """Take over what has waited for so many seconds: nobody else stores it."""
        backlog = await asyncio.to_thread(self._spool.backlog)
        metrics.WAITING.set(len(backlog.written_at))
        metrics.WAITING_BYTES.set(backlog.size)
        before, own = time.time() - age, set(self._own)
        self._own += [file for file, at in backlog.written_at.items() if at <= before and file not in own]

    async def _empty(self) -> None:
        waiting, done = tuple(self._own), set[Path]()

        async def store_one(file: Path) -> None:
            await self._store_one(file)
            done.add(file)

        try:
            await run_for_each(store_one, waiting, at_most=AT_ONCE)
        finally:
            self._own = [file for file in self._own if file not in done]
        if done:
            await self._look(OTHERS_AFTER)
            await self._stored()

    async def _store_one(self, file: Path) -> None:
        try:
            picture = await asyncio.to_thread(self._spool.read, file)
        except ValueError as error:
            log.error("picture lost", reason=str(error))  # noqa: TRY400 -- the message is all
            return
        if picture is None:
            return
        snapshot: NewSnapshot = picture.snapshot
        await self._storage.put(snapshot.object, picture.data, snapshot.media_type)
        body = {
            "device_id": snapshot.device,
            "url": await self._addresses.signed(snapshot.object),
            "timestamp": timestamp(snapshot.taken_at),
        }
        told = NewCallback(snapshot.device, "snapshot", body)  # the sender forgets what nobody wants
        if await self._store.call(snapshots.add, self._site, snapshot, told, now=self._now()):
            metrics.PICTURES.labels("stored").inc()
        await asyncio.to_thread(self._spool.remove, file)
