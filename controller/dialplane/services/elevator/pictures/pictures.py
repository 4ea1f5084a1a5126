"""Pictures as they come: checked in threads, a few at a time, kept on this machine, and stored from there.

What comes too fast is dropped and counted, never waited for: the caller serves ten thousand other devices.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from dialplane.logs import log_unexpected
from dialplane.services.elevator.pictures import metrics, retention
from dialplane.services.elevator.pictures.addresses import PictureAddresses
from dialplane.services.elevator.pictures.check import check
from dialplane.services.elevator.pictures.payload import decode
from dialplane.services.elevator.pictures.picture_queue import PictureQueue
from dialplane.services.elevator.pictures.retention import PictureLimit
from dialplane.services.elevator.pictures.spool import Spool, SpoolFull
from dialplane.services.elevator.pictures.structure import PictureRefused
from dialplane.services.elevator.tables import journal
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.services.elevator.tables.snapshots import NewSnapshot
from dialplane.storage.errors import ObjectMissing, StorageUnusable
from dialplane.storage.object_storage import ObjectStorage
from dialplane.storage.options import StorageOptions
from dialplane.store import Store, StoreError
from dialplane.store.hints import Channel, Hints
from dialplane.tasks import run_together

log = structlog.get_logger(__name__)

AT_ONCE: Final = 16
"""Pictures in work; of each device one."""
THREADS: Final = 2
"""That decode pictures."""
NICE: Final = 10
"""Of those threads."""
NOTE_SECONDS: Final = 1.0
"""Between two writes of refusals into the journal, in which a device has one entry."""
NOTE_MOST: Final = 200
"""Devices of one such write; metrics count them all."""
NO_STORAGE: Final = "nothing says where pictures are stored: set --storage-url"


class PictureNotTaken(Exception):
    """A picture that is not taken now; it may be sent again later."""


class Pictures:
    """The pictures of one site, as one process receives, stores and shows them."""

    def __init__(
        self,
        store: Store,
        site: str,
        options: StorageOptions,
        hints: Hints | None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Store what comes where `options` say; without a usable URL nothing is taken, and the log says so."""
        self._store = store
        self._site = site
        self._hints = hints
        self._now = now
        self._storage = _storage(options)
        self.addresses = PictureAddresses(store, site, self._storage, options.public_url, now=now)
        """Where pictures can be seen."""
        self._spool = Spool(options.spool / site / "pictures")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pictures", initializer=_go_last)
        self._queue: PictureQueue | None = None
        if self._storage is not None:
            self._queue = PictureQueue(
                store, site, self._storage, self._spool, self.addresses, stored=self._stored, now=now
            )
        self._ended = False
        self._in_work: set[str] = set()
        self._received: asyncio.Queue[tuple[str, str | bytes, str | None, datetime]] = asyncio.Queue()
        self._refused: dict[str, NewEntry] = {}

    def receive(self, device: str, payload: str | bytes, command: str | None = None) -> None:
        """Take a picture that came over the socket of a device; never waits, never raises.

        Args:
            device: its name.
            payload: the picture, or the Base64 of it, with or without a data URL.
            command: the id of the command that asked for it.
        """
        if self._queue is None or device in self._in_work or len(self._in_work) >= AT_ONCE:
            metrics.PICTURES.labels("dropped").inc()
            self._refuse(device, NO_STORAGE if self._queue is None else "too many pictures at once")
            return
        self._in_work.add(device)
        self._received.put_nowait((device, payload, command, self._now()))

    async def take(self, device: str, data: bytes, command: str | None = None) -> NewSnapshot:
        """Take a picture, and return what it will be known by: once this returns it is safe, and stored soon.

        Raises:
            PictureRefused: it is none that is kept.
            PictureNotTaken: not now.
        """
        if self._queue is None:
            raise PictureNotTaken(NO_STORAGE)
        if self._ended:
            raise PictureNotTaken("this process stops")
        if device in self._in_work or len(self._in_work) >= AT_ONCE:
            metrics.PICTURES.labels("dropped").inc()
            raise PictureNotTaken("too many pictures at once")
        self._in_work.add(device)
        return await self._take(device, data, command, self._now())

    async def get(self, name: str) -> bytes:
        """Return a picture by the name of its object.

        Raises:
            StorageError: it is not to be had.
        """
        if self._storage is None:
            raise ObjectMissing(NO_STORAGE)
        return await self._storage.get(name)

    async def prune(self, limits: Mapping[str, PictureLimit]) -> int:
        """Delete what is older or more than a device's limit, and return how many pictures that were.

        Args:
            limits: by device; those of other devices are deleted after `retention.GONE`.

        Raises:
            StorageError, StoreError: the rest is deleted the next time.
        """
        if self._storage is None:
            return 0
        return await retention.prune(self._store, self._storage, self._site, limits, now=self._now())

    async def run(self) -> None:
        """Check and store pictures until cancelled; then nothing is taken any more."""
        workers = [self._check_received() for _ in range(THREADS)]
        parts = [] if self._queue is None else [self._queue.run()]
        try:
            await run_together(*workers, *parts, self._note_refusals())
        finally:
            self._ended = True
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _check_received(self) -> None:
        while True:
            device, payload, command, at = await self._received.get()
            try:
                await self._take(device, payload, command, at)
            except (PictureRefused, PictureNotTaken) as refused:
                self._refuse(device, str(refused))
            except Exception as error:  # noqa: BLE001 -- one picture must not end the gateway of ten thousand devices
                log_unexpected("a picture was not taken", error, device=device)
                metrics.PICTURES.labels("dropped").inc()
                self._refuse(device, "unexpected")

    async def _take(self, device: str, payload: str | bytes, command: str | None, at: datetime) -> NewSnapshot:
        assert self._queue is not None  # noqa: S101 -- the caller has looked
        loop = asyncio.get_running_loop()
        try:
            snapshot, file = await loop.run_in_executor(self._threads, self._keep, device, payload, command, at)
        except PictureRefused:
            metrics.PICTURES.labels("refused").inc()
            raise
        except SpoolFull as full:
            metrics.PICTURES.labels("dropped").inc()
            log.error("picture dropped", device=device, reason=str(full))  # noqa: TRY400 -- the message is all
            raise PictureNotTaken("pictures wait to be stored, and there is no room for more") from None
        finally:
            self._in_work.discard(device)
        self._queue.add(file)
        return snapshot

    def _keep(self, device: str, payload: str | bytes, command: str | None, at: datetime) -> tuple[NewSnapshot, Path]:
        """Check a picture and put it into the spool; in a thread."""
        picture = check(decode(payload) if isinstance(payload, str) else payload)
        name = f"{device}/{at:%Y/%m/%d}/{at:%H%M%S}-{secrets.token_hex(10)}.{picture.suffix}"
        snapshot = NewSnapshot(device, name, picture.media_type, len(picture.data), at, command)
        return snapshot, self._spool.add(snapshot, picture.data)

    def _refuse(self, device: str, reason: str) -> None:
        if len(self._refused) < NOTE_MOST or device in self._refused:
            self._refused[device] = NewEntry(device, "snapshot", self._now(), {"refused": reason})

    async def _note_refusals(self) -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            if not self._refused:
                continue
            entries, self._refused = tuple(self._refused.values()), {}
            try:
                await self._store.call(journal.append, self._site, entries)
            except StoreError as error:
                log.warning("refused pictures not noted", reason=str(error), devices=len(entries))

    async def _stored(self) -> None:
        if self._hints is not None:
            try:
                await self._hints.send(Channel.DEVICES)
            except StoreError as error:  # those who wait look by themselves
                log.debug("hint not sent", reason=str(error))


def _go_last() -> None:
    """Have this thread compute when no other one wants to: decoding can wait, the devices of the process cannot."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _storage(options: StorageOptions) -> ObjectStorage | None:
    if not options.url:
        log.warning("no pictures are taken", reason=NO_STORAGE)
        return None
    try:
        return ObjectStorage.open(options.url)
    except StorageUnusable as error:
        log.error("no pictures are taken", reason=str(error))  # noqa: TRY400 -- the message is all
        return None
