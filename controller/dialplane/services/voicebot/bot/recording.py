"""Recordings of calls: a stereo WAV each, the caller left, the bot right, µ-law at 8 kHz: 16 KB a second.

Audio is written in a thread, once a second, into a file of the spool; so a recording outlives its process up to the
last second. The file goes to the storage when the call is over; where that fails it is tried again, and what another
process left behind is stored, too.
"""

import asyncio
import fcntl
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import soxr
import structlog
from numpy.typing import NDArray

from dialplane.logs import log_unexpected
from dialplane.services.voicebot.recording_names import SUFFIX, recording_name
from dialplane.services.voicebot.speech.contract import RATE
from dialplane.storage.errors import StorageError, StorageRefused, StorageUnusable
from dialplane.storage.object_storage import ObjectStorage
from dialplane.storage.options import StorageOptions
from dialplane.tasks import Backoff, keep_running, wait_at_most

log = structlog.get_logger(__name__)

RECORDED_RATE: Final = 8000
_AT_ONCE: Final = 50
"""Frames that are written at once."""
_WRITTEN: Final = ".part"
_LOOK_SECONDS: Final = 30.0
"""How often to look for what other processes left behind."""
_SETTLE_SECONDS: Final = 0.1
"""Between two looks whether all is stored."""
_BACKOFF: Final = Backoff(1, 30)
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")


def _mu_law_table() -> NDArray[np.uint8]:
    """Return G.711's byte of each sample of 16 bit, by its bits."""
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    sign = np.where(samples < 0, 0x80, 0)
    size = np.minimum(np.abs(samples), 32_635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    table: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return table


_MU_LAW: Final = _mu_law_table()


class CallRecording:
    """The recording of one call."""

    def __init__(self, name: str, file: Path, threads: ThreadPoolExecutor, stored: asyncio.Event) -> None:
        """Write into `file`; set `stored` when it is whole."""
        self._name = name
        self._file = file
        self._threads = threads
        self._whole = stored
        self._loop = asyncio.get_running_loop()
        self._caller = bytearray()
        self._bot = bytearray()
        self._writer: _Writer | None = _Writer(file)

    def write(self, caller: bytes, bot: bytes) -> None:
        """Take a frame of each. Never waits, never raises."""
        self._caller += caller
        self._bot += bot
        if len(self._caller) >= _AT_ONCE * len(caller):
            self._pass_on(last=False)

    def end(self) -> str:
        """End it, and return its name in the storage, where it is some time soon."""
        if self._writer is not None:
            self._pass_on(last=True)
            self._writer = None
        return self._name

    def _pass_on(self, *, last: bool) -> None:
        if self._writer is not None:
            self._threads.submit(self._write, self._writer, bytes(self._caller), bytes(self._bot), last)
            self._caller.clear()
            self._bot.clear()

    def _write(self, writer: "_Writer", caller: bytes, bot: bytes, last: bool) -> None:
        try:
            writer.write(caller, bot, last=last)
            if last:
                with suppress(RuntimeError):  # the process ends
                    self._loop.call_soon_threadsafe(self._whole.set)
        except OSError as error:
            if not writer.broken:
                log.warning("a call is not recorded any more", file=str(self._file), reason=error.strerror)
            writer.broken = True


class _Writer:
    """Writes one file; in one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: BinaryIO | None = None
        self._left, self._right = _resampler(), _resampler()
        self.broken = False

    def write(self, left: bytes, right: bytes, *, last: bool) -> None:
        """Write some frames of each side.

        Raises:
            OSError: the disk does not take it.
        """
        if self.broken:
            return
        if self._file is None:
            self._file = _opened(self._path)
        sides = [
            stream.resample_chunk(np.frombuffer(audio, "<i2"), last=last)
            for stream, audio in ((self._left, left), (self._right, right))
        ]
        both = np.stack(sides, axis=1).astype(np.int16)
        self._file.write(_MU_LAW[both.view(np.uint16)].tobytes())
        self._file.flush()
        if last:
            finish(self._file)
            self._file.close()
            self._path.rename(self._path.with_suffix(SUFFIX))


def _resampler() -> soxr.ResampleStream:
    return soxr.ResampleStream(RATE, RECORDED_RATE, 1, dtype="int16", quality="LQ")


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.write(_header(0))
    return file


def finish(file: BinaryIO) -> None:
    """Write the sizes into the header of a recording, by its length."""
    size = file.seek(0, os.SEEK_END) - _HEADER.size
    file.seek(0)
    file.write(_header(max(size, 0)))
    file.flush()


def _header(size: int) -> bytes:
    form = (18, 7, 2, RECORDED_RATE, 2 * RECORDED_RATE, 2, 8, 0)
    return _HEADER.pack(b"RIFF", _HEADER.size - 8 + size, b"WAVE", b"fmt ", *form, b"fact", 4, size // 2, b"data", size)


class Recordings:
    """The recordings that one process makes; `run` stores them."""

    def __init__(self, site: str, options: StorageOptions) -> None:
        """Write into the spool of `options`, and store into its storage; without one nothing is recorded."""
        self._site = site
        self._folder = options.spool / site / "bot-recordings"
        self._storage: ObjectStorage | None = None
        self.refusal = "" if options.url else "nothing says where recordings are stored: set --storage-url"
        """Why nothing is recorded; empty where calls are."""
        if options.url:
            try:
                self._storage = ObjectStorage.open(options.url)
            except StorageUnusable as error:
                self.refusal = str(error)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="bot-recordings")
        self._whole = asyncio.Event()

    def begin(self, bot: str, call_id: str) -> CallRecording | None:
        """Begin a recording, named as `recording_name` says; None where nothing can be recorded."""
        if self._storage is None:
            return None
        name = recording_name(self._site, bot, call_id)
        file = self._folder / bot / Path(name).with_suffix(_WRITTEN).name
        return CallRecording(name, file, self._threads, self._whole)

    async def run(self) -> None:
        """Store what is whole, until cancelled."""

        def report(error: Exception, wait: float) -> None:
            if isinstance(error, StorageError):
                log.warning("recordings wait to be stored", reason=str(error), again_in=wait)
            else:
                log_unexpected("recordings wait to be stored", error)

        try:
            if self._storage is not None:
                await keep_running(self._look, errors=Exception, backoff=_BACKOFF, on_error=report)
            await asyncio.Event().wait()
        finally:
            self._threads.shutdown(wait=False)

    async def settle(self) -> None:
        """Return when all that is whole is stored, by this process or another one."""
        if self._storage is not None:
            await asyncio.get_running_loop().run_in_executor(self._threads, int)  # what was ended is whole now
            while await asyncio.to_thread(lambda: any(self._folder.glob(f"*/*{SUFFIX}"))):  # noqa: ASYNC110 -- files
                await asyncio.sleep(_SETTLE_SECONDS)

    async def _look(self) -> None:
        while True:
            self._whole.clear()
            trouble: Exception | None = None
            for file in await asyncio.to_thread(lambda: list(self._waiting())):
                try:
                    await self._store(file)
                except (StorageRefused, OSError) as error:  # of this one alone; the others do not wait for it
                    trouble = error
            if trouble is not None:
                raise trouble
            await wait_at_most(self._whole, _LOOK_SECONDS)

    def _waiting(self) -> Iterator[Path]:
        for file in sorted(self._folder.glob(f"*/*{_WRITTEN}")):
            if _left_behind(file):
                file.rename(file.with_suffix(SUFFIX))
        yield from sorted(self._folder.glob(f"*/*{SUFFIX}"))

    async def _store(self, file: Path) -> None:
        if self._storage is None:
            return
        try:
            data = await asyncio.to_thread(file.read_bytes)
        except FileNotFoundError:  # another process stored it
            return
        await self._storage.put(f"{self._site}/bot-recordings/{file.parent.name}/{file.name}", data, "audio/wav")
        await asyncio.to_thread(file.unlink, missing_ok=True)


def _left_behind(file: Path) -> bool:
    """Return whether nobody writes a file any more; its header says its length then."""
    with suppress(FileNotFoundError), file.open("r+b") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finish(opened)
        return True
    return False
