"""The YAML files of a directory, as bytes, within limits.

Which files those are is the rule of `tree`. Nothing here can hang: only regular files are opened.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dialplane.standalone.tree import (
    CIRCLE,
    FILES_LIMIT,
    NOWHERE,
    POINTER_LIMIT,
    Kind,
    Outside,
    Place,
    Unfollowable,
    is_manifest_name,
    places,
)

FILE_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of one file: 6,000 extensions, or a ConfigMap as large as Kubernetes takes it, with its indentation. What can
be split belongs into several files, which a review can show."""
STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class File:
    """A file's name as the user knows it, and its bytes; or why there are none, in `flaw`."""

    name: str
    data: bytes = b""
    flaw: str = ""


class SourceMissing(OSError):
    """There is nothing to read at that path: the user corrects the path, or mounts the directory."""


def read_paths(paths: Iterable[Path]) -> list[File]:
    """Every file below `paths` (directories are walked, files taken as they are), sorted, each once.

    Raises:
        SourceMissing: where a path does not exist, or cannot be listed.
    """
    found: dict[str, Place] = {}
    for places_ in manifest_places(list(paths)):
        for place in places_:
            found.setdefault(place.real, place)
    return [
        File(str(Path(place.shown)), flaw=place.flaw) if place.flaw else read_file(Path(place.shown))
        for place in found.values()
    ]


def manifest_places(paths: Sequence[Path]) -> list[list[Place]]:
    """For each of the paths, the files that are to be read, and what keeps others from being read.

    Links may lead from each folder among the paths into each other one.

    Raises:
        SourceMissing: where a path does not exist, or cannot be listed.
    """
    tree = _Disk([os.path.realpath(path) for path in paths if path.is_dir()])
    found = []
    for path in paths:
        try:
            if path.is_dir():
                next(path.iterdir(), None)
                found.append(places(tree, str(path), os.path.realpath(path)))
            else:
                path.stat()
                found.append([Place(str(path), os.path.realpath(path))])
        except OSError as error:
            raise SourceMissing(f"{path}: {error.strerror}") from None
        if len(found[-1]) > FILES_LIMIT:
            raise SourceMissing(f"{path}: more than {FILES_LIMIT:,} YAML files; point at the site's own directory")
    return found


def read_file(path: Path) -> File:
    """One file; what keeps it from being read is in `flaw`."""
    name = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                return File(name, flaw="not a regular file: remove it from the directory")
            if about.st_size > FILE_LIMIT:
                return File(name, flaw=oversize(about.st_size))
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        return File(name, flaw=f"cannot be read: {error.strerror}")
    return File(name, data) if len(data) <= FILE_LIMIT else File(name, flaw=oversize(len(data)))


def oversize(size: int) -> str:
    """The complaint about a file of `size` bytes."""
    return f"{size / 2**20:.1f} MiB is more than the {FILE_LIMIT // 2**20} MiB a file may have: split it"


class _Disk:
    """The machine's own folders, as a `Tree`."""

    def __init__(self, bounds: Sequence[str]) -> None:
        self._bounds = tuple(bounds)

    def entries(self, folder: str) -> Iterator[tuple[str, Kind]]:
        try:
            with os.scandir(folder) as listed:
                for entry in listed:
                    link, is_folder = entry.is_symlink(), entry.is_dir(follow_symlinks=False)
                    yield entry.name, Kind.LINK if link else Kind.FOLDER if is_folder else Kind.FILE
        except OSError as error:
            raise Unfollowable(f"cannot be read: {error.strerror}: give this user the right to read it") from None

    def follow(self, link: str) -> tuple[str, Kind]:
        try:
            real = os.path.realpath(link, strict=True)
            is_folder = stat.S_ISDIR(os.stat(real).st_mode)  # noqa: PTH116 -- a path of text, as all here
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                raise Unfollowable(NOWHERE) from None
            raise Unfollowable(CIRCLE if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}") from None
        if (is_folder or is_manifest_name(link)) and not any(_is_within(real, bound) for bound in self._bounds):
            raise Outside(
                f"is a symbolic link that leads outside, to {real}: read that with -f too, or move it in here"
            )
        return real, Kind.FOLDER if is_folder else Kind.FILE

    def text(self, file: str) -> bytes:
        try:
            short = 0 < os.stat(file).st_size <= POINTER_LIMIT  # noqa: PTH116 -- likewise
        except OSError:
            return b""
        return read_file(Path(file)).data if short else b""


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
