"""Deletes pictures that are older or more than their device keeps: first the object, then its row."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from dialplane.services.elevator.pictures import metrics
from dialplane.services.elevator.tables import snapshots
from dialplane.storage.errors import StorageError
from dialplane.storage.object_storage import BATCH, ObjectStorage
from dialplane.store import Store, StoreError

log = structlog.get_logger(__name__)

PRUNE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class PictureLimit:
    """What a device keeps."""

    days: int
    most: int
    """Pictures."""


GONE: Final = PictureLimit(30, 10_000)
"""Of devices that are no more."""


async def prune(
    store: Store, storage: ObjectStorage, site: str, limits: Mapping[str, PictureLimit], *, now: datetime
) -> int:
    """Delete what is beyond the limits, and return how many pictures that were.

    Raises:
        StorageError, StoreError: the rest is deleted the next time.
    """
    total = 0
    for device, kept in (await store.call(snapshots.kept, site)).items():
        limit = limits.get(device, GONE)
        before = now - timedelta(days=limit.days)
        if kept.count <= limit.most and kept.oldest >= before:
            continue
        while beyond := await store.call(snapshots.surplus, site, device, before=before, most=limit.most, limit=BATCH):
            await storage.delete([each.object for each in beyond])
            await store.call(snapshots.remove, site, [each.seq for each in beyond])
            metrics.DELETED.inc(len(beyond))
            total += len(beyond)
    if total:
        log.info("pictures deleted", pictures=total)
    return total


async def keep_pruned(delete: Callable[[], Awaitable[object]]) -> None:
    """Await `delete` every ten minutes until cancelled; what fails is tried again the next time."""
    while True:
        await asyncio.sleep(PRUNE_SECONDS)
        try:
            await delete()
        except (StorageError, StoreError) as error:
            log.warning("old pictures stay", reason=str(error))
