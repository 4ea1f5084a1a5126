"""The directory of rendered files: compared, written atomically, never half of one file.

Every path in a plan is ours; every other file in the directory is somebody else's and is never touched.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest
from pathlib import Path

from dialplane.plan.objects import KEYS, Driver

FILE_MODE = 0o640
"""The rendered files hold passwords: owner and group (Asterisk's) only."""

OWN = ".dialplane"
"""The folder of what Dialplane remembers of the files beside it; Asterisk reads nothing here."""

TEMPORARY = ".dialplane-new"
"""The ending of a file that is being written."""

STRIDE = 65_536
"""Characters that are compared at a time."""


class ConfigDirectoryError(Exception):
    """The directory cannot be read or written: the operator must mend rights, disk or mount; the message says which."""


class NotLeading(Exception):
    """Another process holds the right to write: nothing more is written, and nothing is said of the site."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one `write` does: the paths whose bytes change and the paths that are removed."""

    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()
    """Those that say something else now: a file of comments alone says what a missing one does."""
    begun: tuple[str, ...] = ()
    """Those of them that said nothing before."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is not as it was."""
        return self.changed + self.removed


class ConfigDirectory:
    """The config directory of one Asterisk (`Asterisk.spec.configDirectory`).

    Writing goes on in a thread after its caller was cancelled: so `permit`, which raises `NotLeading`, is asked before
    each file, and `close` ends it.
    """

    def __init__(self, path: Path, permit: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._permit = permit
        self._closed = False

    def close(self) -> None:
        """Let no further file be written."""
        self._closed = True

    def read(self, paths: Iterable[str]) -> dict[str, str]:
        """The text of those of `paths` that exist; bytes that are not UTF-8 survive as surrogates.

        Raises:
            ConfigDirectoryError: a file is there but cannot be read.
        """
        found = {}
        for path in paths:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), _explained(self.path / path, "read"):
                found[path] = (self.path / path).read_bytes().decode("utf-8", errors="surrogateescape")
        return found

    def write(self, files: Mapping[str, str], *, prune: bool = True) -> Written:
        """Make the directory hold exactly `files` of ours; files already right are left alone.

        With `prune`, certificates below `keys/` and files of modem drivers that are not among `files` are removed:
        these come and go.

        Each file is old or new at every moment, also through a crash: temporary file, fsync, rename, fsync of the
        folder. A failure in the middle leaves some files new and the rest old, each whole; the next call goes on.

        Raises:
            ConfigDirectoryError: the directory is missing and cannot be made, read-only, full, or not ours to write.
            NotLeading: the right to write was lost on the way.
        """
        todo = self.differing(files, prune=prune)
        self.carry_out(todo, files)
        return todo

    def carry_out(self, todo: Written, files: Mapping[str, str]) -> None:
        """Write and remove what `differing` said of these `files`. Raises as `write`."""
        for path in todo.changed:
            self.put(path, files[path])
        for path in todo.removed:
            self._may_write()
            with contextlib.suppress(FileNotFoundError), _explained(self.path / path, "remove"):
                (self.path / path).unlink()

    def differing(self, files: Mapping[str, str], *, prune: bool = True) -> Written:
        """What `write` would do.

        Raises:
            ConfigDirectoryError: a file is there but cannot be read.
        """
        now = self.read(files)
        changed = tuple(path for path in sorted(files) if now.get(path) != files[path])
        removed = tuple(path for path in self._coming_and_going() if prune and path not in files)
        effective = tuple(p for p in changed if _say_otherwise(now.get(p, ""), files[p]))
        begun = tuple(p for p in effective if not any(_substance(now.get(p, ""))))
        return Written(changed, removed, effective + removed, begun)

    def sweep(self) -> None:
        """Remove the temporary files that a killed process left behind."""
        for folder in (self.path, self.path / KEYS, self.path / OWN):
            with contextlib.suppress(OSError):
                for path in folder.glob(f".*{TEMPORARY}"):
                    path.unlink(missing_ok=True)

    def signature(self, paths: Iterable[str]) -> tuple[tuple[str, int, int, int, int], ...]:
        """A cheap mark that differs if anybody else changed one of `paths`: volume, inode, size, time in ns."""
        marks = []
        for path in sorted(paths):
            with contextlib.suppress(OSError):
                stat = (self.path / path).stat()
                marks.append((path, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(marks)

    def _coming_and_going(self) -> list[str]:
        folder = self.path / KEYS
        found = [driver.file for driver in Driver if (self.path / driver.file).is_file()]
        with contextlib.suppress(OSError):
            found += (f"{KEYS}/{path.name}" for path in folder.iterdir() if path.suffix in {".crt", ".key"})
        return sorted(found)

    def put(self, path: str, text: str) -> None:
        """Replace one file.

        Raises:
            ConfigDirectoryError, NotLeading: as `write`.
        """
        target = self.path / path
        self._may_write()
        with _explained(target, "write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=TEMPORARY, dir=target.parent)
            temporary = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text.encode("utf-8", errors="surrogateescape"))
                    file.flush()
                    os.fchmod(file.fileno(), FILE_MODE)
                    os.fsync(file.fileno())
                self._may_write()  # the fsync may have taken long
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)

    def _may_write(self) -> None:
        if self._closed:
            raise NotLeading("this site loop has ended")
        self._permit()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _say_otherwise(one: str, other: str) -> bool:
    """Whether two texts differ in more than comments and blank lines."""
    same = 0  # a big file differs in a line or two: go to the first at once
    while same < len(one) and one[same : same + STRIDE] == other[same : same + STRIDE]:
        same += STRIDE
    same = one.rfind("\n", 0, same) + 1
    pairs = zip_longest(_substance(one[same:]), _substance(other[same:]))
    return any(line != instead for line, instead in pairs)


def _substance(text: str) -> Iterator[str]:
    return (line.rstrip("\n") for line in StringIO(text) if line.strip() and not line.startswith(";"))


@contextlib.contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if verb != "write":
            raise
        raise ConfigDirectoryError(f"cannot write {path}: {error.strerror or error}") from error
    except OSError as error:
        raise ConfigDirectoryError(f"cannot {verb} {path}: {error.strerror or error}") from error
