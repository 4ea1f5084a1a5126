"""The YAML files of a directory, as bytes, within limits.

Hidden files and folders are left alone (`.git`, editors' swap files, the `..data` of a mounted ConfigMap); so are
folders behind symbolic links. Nothing here can hang: only regular files are opened.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of one file: 6,000 extensions, or a ConfigMap as large as Kubernetes takes it, with its indentation. What can
be split belongs into several files, which a review can show."""
FILES_LIMIT: Final = 50_000
SUFFIXES: Final = (".yaml", ".yml")
STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class File:
    """A file's name as the user knows it, and its bytes; or why there are none, in `flaw`."""

    name: str
    data: bytes = b""
    flaw: str = ""


class SourceMissing(OSError):
    """There is nothing to read at that path: the user corrects the path, or mounts the directory."""


def is_manifest_name(name: str) -> bool:
    """Whether a file of that name is read as manifests."""
    return name.endswith(SUFFIXES) and not name.startswith(".")


def read_paths(paths: Iterable[Path]) -> list[File]:
    """Every file below `paths` (directories are walked, files taken as they are), sorted, each once.

    Raises:
        SourceMissing: where a path does not exist, or cannot be listed.
    """
    found: dict[Path, None] = {}
    for path in paths:
        for file in _walk(path):
            found.setdefault(file)
            if len(found) > FILES_LIMIT:
                raise SourceMissing(f"{path}: more than {FILES_LIMIT:,} YAML files; point at the site's own directory")
    return [read_file(path) for path in found]


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


def _walk(path: Path) -> Iterator[Path]:
    try:
        if not path.is_dir():
            path.stat()
            yield path
            return
        next(path.iterdir(), None)
    except OSError as error:
        raise SourceMissing(f"{path}: {error.strerror}") from None
    for folder, folders, names in os.walk(path, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if is_manifest_name(name):
                yield Path(folder, name)


def _refuse(error: OSError) -> None:
    raise SourceMissing(f"{error.filename}: {error.strerror}")
