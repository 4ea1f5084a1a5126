"""Pictures that wait to be stored, in a folder of this machine: bounded, and there again after a restart.

One file for each picture, which appears whole or not at all: a line of JSON that says what it is, then its bytes. Its
name begins with when it came. Several processes may use one folder: who stores a picture that another one stored
replaces an object by itself. Blocks; for a thread.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dialplane.services.elevator.tables.snapshots import NewSnapshot

MOST_BYTES: Final = 256 * 1024 * 1024
_HEADER: Final = 4096
"""Bytes of the first line at most."""
_WAITS: Final = ".picture"
_BROKEN: Final = ".broken"


class SpoolFull(Exception):
    """There is no room: as many bytes wait already as may, or the disk takes no more."""


@dataclass(frozen=True, slots=True)
class WaitingPicture:
    """A picture in the spool."""

    snapshot: NewSnapshot
    data: bytes


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the spool."""

    written_at: Mapping[Path, float]
    """When each file of a picture was written, in seconds since 1970; the oldest picture first."""
    size: int
    """Bytes, of everything in the folder."""


class Spool:
    """One folder, made when the first picture comes."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep up to `most_bytes` in `folder`."""
        self._folder = folder
        self._most = most_bytes

    def add(self, snapshot: NewSnapshot, data: bytes) -> Path:
        """Keep a picture; once this returns it survives a crash of the machine.

        Raises:
            SpoolFull: it is not kept.
        """
        fields = {name: getattr(snapshot, name) for name in NewSnapshot.__dataclass_fields__}
        header = json.dumps({**fields, "taken_at": snapshot.taken_at.isoformat()}).encode("ascii") + b"\n"
        name = f"{snapshot.taken_at:%Y%m%dT%H%M%S%f}-{snapshot.object.rpartition('/')[2]}"
        made, kept = self._folder / f".{name}", self._folder / f"{name}{_WAITS}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.backlog().size + len(header) + len(data) > self._most:
                raise SpoolFull(f"{self._most:,} bytes of pictures wait to be stored already")
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(header)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            made.rename(kept)
            self._sync_folder()
        except OSError as error:
            with suppress(OSError):
                made.unlink(missing_ok=True)
            raise SpoolFull(f"{self._folder} takes no picture: {error.strerror or type(error).__name__}") from None
        return kept

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def backlog(self) -> Backlog:
        """Return what waits."""
        size, written = 0, dict[str, float]()
        for entry in self._entries():
            with suppress(FileNotFoundError):  # stored meanwhile
                status = entry.stat()
                size += status.st_size
                if entry.name.endswith(_WAITS):
                    written[entry.name] = status.st_mtime
        return Backlog({self._folder / name: written[name] for name in sorted(written)}, size)

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self._folder) as entries:
                yield from entries
        except FileNotFoundError:
            return

    def read(self, file: Path) -> WaitingPicture | None:
        """Return a picture that waits; None where it was stored meanwhile.

        Raises:
            ValueError: the file is none of ours, or damaged; it is set aside.
            OSError: it cannot be read now.
        """
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        header, _, data = content.partition(b"\n") if b"\n" in content[:_HEADER] else (b"", b"", b"")
        try:
            fields = json.loads(header)
            snapshot = NewSnapshot(**{**fields, "taken_at": datetime.fromisoformat(fields["taken_at"])})
            whole = len(data) == snapshot.size and snapshot.taken_at.tzinfo is not None
        except (ValueError, TypeError, KeyError):
            whole = False
        if not whole:
            file.rename(file.with_suffix(_BROKEN))
            raise ValueError(f"{file} is no picture that waits: it is set aside")
        return WaitingPicture(snapshot, data)

    def remove(self, file: Path) -> None:
        """Forget a picture, which is stored."""
        file.unlink(missing_ok=True)
