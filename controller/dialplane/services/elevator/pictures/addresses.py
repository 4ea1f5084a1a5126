"""Where pictures can be seen: addresses that ask for a token, and addresses that are good for a while by themselves."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from dialplane.services.elevator.tables import snapshots
from dialplane.services.elevator.tables.snapshots import Snapshot
from dialplane.storage import signed_urls
from dialplane.storage.object_storage import ObjectStorage
from dialplane.store import Store

PATH: Final = "/api/v1/devices"
LIFETIME: Final = timedelta(days=6)
"""Of an address; S3 signs none for more than seven days."""
STEP: Final = timedelta(minutes=10)
"""Addresses made within it are the same: a browser fetches a picture once."""
PURPOSE: Final = "pictures"


class PictureAddresses:
    """The addresses of one site's pictures."""

    def __init__(
        self,
        store: Store,
        site: str,
        storage: ObjectStorage | None,
        public_url: str,
        *,
        now: Callable[[], datetime],
    ) -> None:
        """Make addresses below `public_url`; where it is empty they begin with `/`."""
        self._store = store
        self._site = site
        self._storage = storage
        self._base = f"{public_url}{PATH}"
        self._now = now
        self._made: bytes | None = None
        self._making = asyncio.Lock()

    def lasting(self, snapshot: Snapshot) -> str:
        """Return the address of a picture that stays the same, and asks for a token that may read the device."""
        return f"{self._base}/{snapshot.device}/snapshots/{snapshot.seq}"

    async def signed(self, name: str, lifetime: timedelta = LIFETIME) -> str:
        """Return an address at which anybody may see a picture for so long, by the name of its object.

        Raises:
            StorageError, StoreError: there is none now.
        """
        if self._storage is not None:
            presigned = await self._storage.presigned(name, lifetime)
            if presigned is not None:
                return presigned
        expires = signed_urls.expiry(self._now(), lifetime, STEP)
        return f"{self._base}/pictures/{name}?{signed_urls.sign(await self._key(), name, expires)}"

    async def is_signed(self, name: str, expires: str, signature: str) -> bool:
        """Return whether this is what `signed` makes for a folder, and still good.

        Raises:
            StoreError: nobody knows now.
        """
        return signed_urls.is_signed(await self._key(), name, expires, signature, self._now())

    async def _key(self) -> bytes:
        async with self._making:
            if self._made is None:
                self._made = await self._store.call(snapshots.signing_key, self._site, PURPOSE, signed_urls.KEY_BYTES)
            return self._made
