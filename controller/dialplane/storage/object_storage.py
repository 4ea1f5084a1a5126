"""Objects in a folder or in a bucket that speaks S3, by obstore, which nothing else imports.

Every call has a time limit and few attempts: the caller keeps an object until it is stored. Credentials, and what else
a bucket needs, are in the environment, by the names that obstore reads: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, ….
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions, store

from dialplane.storage.errors import (
    ObjectMissing,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    StorageUnusable,
)
from dialplane.storage.options import check_storage_url

CONNECT: Final = timedelta(seconds=2)
REQUEST: Final = timedelta(seconds=5)
RETRIES: Final = 2
WITHIN: Final = 12.0
"""Seconds for a call with all its attempts."""
DELETE_WITHIN: Final = 40.0
"""Seconds to delete up to `BATCH` objects: servers take them one by one."""
BATCH: Final = 100
LONGEST_NAME: Final = 255
PIECE: Final = 256 * 1024
"""Bytes of a piece, at least, of an object that is read in pieces."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of an object that is read: nothing larger is stored."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_REASONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"([A-Z][A-Za-z ]{3,60}) \(os error \d+\)",
        r'message: "([A-Z][A-Za-z ]{3,60})"',
        r"(failed to lookup address information)",
        r"(InvalidCertificate)\(",
        r"InvalidCertificate\(\s*(\w{1,40})",
        r"kind: (Timeout)",
        r"\b(?:status|with status):? ?(?:code )?([45]\d\d)\b",
        r"<Code>([A-Za-z]{1,40})</Code>",
    )
)
"""What of an error of obstore's is told: the rest repeats addresses, requests and answers."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is being read."""

    size: int
    """Bytes."""
    pieces: AsyncIterator[bytes]
    """Its bytes, in order; raises a StorageError where it breaks off."""


class ObjectStorage:
    """One storage, for one event loop."""

    def __init__(self, place: str, *, remote: bool) -> None:
        """See `open`."""
        self._place = place
        self._remote = remote
        if remote:
            try:
                _ = self._objects, self._deletions
            except (exceptions.BaseError, ValueError) as error:
                raise StorageUnusable(f"{place} cannot be used: {_reason(error)}") from None

    @classmethod
    def open(cls, url: str) -> Self:
        """Return the storage of `file:///a/folder` or `s3://bucket/prefix`; it need not be there yet.

        Raises:
            StorageUnusable: this can never be one; with the reason.
        """
        check_storage_url(url)
        parts = urlsplit(url)
        return cls(unquote(parts.path), remote=False) if parts.scheme == "file" else cls(url, remote=True)

    @cached_property
    def _objects(self) -> Any:
        return _bucket(self._place, REQUEST) if self._remote else _folder(self._place)

    @cached_property
    def _deletions(self) -> Any:
        return _bucket(self._place, timedelta(seconds=DELETE_WITHIN)) if self._remote else self._objects

    def __str__(self) -> str:
        return self._place

    async def put(self, name: str, data: bytes, media_type: str) -> None:
        """Store an object; one of that name is replaced.

        Args:
            name: segments of letters, digits and `. _ -`, with slashes between them: never what somebody else chose.
            data: all of it.
            media_type: what it is served as, where the storage serves it.

        Raises:
            StorageUnavailable, StorageRefused: it may not be stored.
        """
        attributes = {
            "Content-Type": media_type,
            "Content-Disposition": f'inline; filename="{name.rpartition("/")[2]}"',
        }
        try:
            async with self._asked("store an object", WITHIN):
                await obstore.put_async(
                    self._objects,
                    _checked(name),
                    data,
                    attributes=attributes if self._remote else None,
                    use_multipart=False,
                )
        except ObjectMissing:
            raise StorageRefused(f"{self} is not there: make the bucket") from None

    async def get(self, name: str) -> bytes:
        """Return an object.

        Raises:
            ObjectMissing, StorageUnavailable, StorageRefused: it is not to be had.
        """
        async with self._asked("read an object", WITHIN):
            answer = await obstore.get_async(self._objects, _checked(name))
            if answer.meta["size"] > LARGEST:
                raise StorageRefused(f"{self}: an object has more than {LARGEST:,} bytes: it is none of ours")
            return bytes(await answer.bytes_async())

    async def read(self, name: str) -> "StoredObject":
        """Return an object of any size, to be read in pieces.

        Raises:
            ObjectMissing, StorageUnavailable, StorageRefused: it is not to be had.
        """
        async with self._asked("read an object", WITHIN):
            answer = await obstore.get_async(self._objects, _checked(name))
        return StoredObject(int(answer.meta["size"]), self._pieces(answer))

    async def _pieces(self, answer: Any) -> AsyncIterator[bytes]:
        pieces = aiter(answer.stream(PIECE))
        while True:
            async with self._asked("read an object", WITHIN):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield bytes(piece)

    async def delete(self, names: Sequence[str]) -> None:
        """Delete up to `BATCH` objects; those that are not there are none to it.

        Raises:
            StorageUnavailable, StorageRefused: some may be left.
        """
        if not self._remote:
            for name in names:
                try:
                    await self._delete([name])
                except ObjectMissing:
                    continue
        elif names:
            await self._delete(names)

    async def _delete(self, names: Sequence[str]) -> None:
        async with self._asked("delete objects", DELETE_WITHIN):
            await obstore.delete_async(self._deletions, [_checked(name) for name in names])

    async def presigned(self, name: str, lifetime: timedelta) -> str | None:
        """Return an address at which anybody may read an object for so long; None where the storage has none.

        Raises:
            StorageRefused: there are no credentials to sign with.
        """
        if not self._remote:
            return None
        async with self._asked("sign an address", WITHIN):
            return str(await obstore.sign_async(self._objects, "GET", _checked(name), lifetime))

    @asynccontextmanager
    async def _asked(self, what: str, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except StorageError:
            raise
        except FileNotFoundError:
            raise ObjectMissing(f"{self}: there is no such object") from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
            raise StorageRefused(f"{self} refuses to {what}: {_reason(error)}") from None
        except TimeoutError:
            raise StorageUnavailable(f"{self} took more than {seconds:g} s to {what}") from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise StorageUnavailable(f"{self} did not {what}: {_reason(error)}") from None


def _folder(path: str) -> Any:
    Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)  # obstore would let everybody read it
    return store.LocalStore(path, automatic_cleanup=True)


def _bucket(url: str, timeout: timedelta) -> Any:
    return store.S3Store.from_url(
        url,
        client_options={
            "timeout": timeout,
            "connect_timeout": CONNECT,
            # Options that are given replace those of the environment.
            "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes", "on"},
        },
        retry_config={
            "max_retries": RETRIES,
            "retry_timeout": timeout,
            "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=1), "base": 2},
        },
    )


def _checked(name: str) -> str:
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise StorageRefused("an object's name has segments of letters, digits and . _ - alone")
    return name


def _reason(error: BaseException) -> str:
    """Return why, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    found = [match[1] for pattern in _REASONS if (match := pattern.search(str(error)))]
    return ", ".join(found) or type(error).__name__
