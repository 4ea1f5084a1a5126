"""Recordings of calls in the storage: read by those who may hear them, deleted when their time is over."""

from collections.abc import Sequence

import structlog

from dialplane.storage.errors import StorageUnavailable, StorageUnusable
from dialplane.storage.object_storage import BATCH, ObjectStorage, StoredObject
from dialplane.storage.options import StorageOptions

log = structlog.get_logger(__name__)


class CallRecordings:
    """The recordings of one site, as one process reads and deletes them."""

    def __init__(self, options: StorageOptions) -> None:
        """Look where `options` say; without a usable URL there are none, and the log says so."""
        self._storage: ObjectStorage | None = None
        if options.url:
            try:
                self._storage = ObjectStorage.open(options.url)
            except StorageUnusable as error:
                log.warning("recordings of bots cannot be read", reason=str(error))

    async def read(self, name: str) -> StoredObject:
        """Return a recording, to be read in pieces.

        Raises:
            ObjectMissing, StorageUnavailable, StorageRefused: it is not to be had.
        """
        return await self._there().read(name)

    async def delete(self, names: Sequence[str]) -> None:
        """Delete recordings; those that are not there are none to it.

        Raises:
            StorageUnavailable, StorageRefused: some may be left.
        """
        for start in range(0, len(names), BATCH):
            await self._there().delete(names[start : start + BATCH])

    def _there(self) -> ObjectStorage:
        if self._storage is None:
            raise StorageUnavailable("nothing says where recordings are stored: set --storage-url")
        return self._storage
