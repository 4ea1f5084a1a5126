"""Deletes old recordings: those below one folder, by the day in the name of theirs.

Nothing else is touched: only files that are named as recordings are, in folders that are named as their days are. No
link below the recordings folder is followed, for every folder is opened as such and worked in by its descriptor.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from stat import S_ISREG
from typing import Final

MOST: Final = 1000
"""Files that one round deletes."""

_RECORDING: Final = re.compile(r"\d{8}T\d{6}Z-\d*-\d*-[0-9A-Za-z.]*\.wav", re.ASCII)
_PROOF: Final = ".dialplane-proof.wav"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Swept:
    """What one round did."""

    deleted: int = 0
    more: bool = False
    """Whether there is more to delete."""
    trouble: str = ""
    """Why something old is still there; holds no more than a path and the system's word for it."""


def sweep(path: Path, oldest: date, most: int = MOST) -> Swept:
    """Delete the recordings of days before `oldest`, the eldest first, at most so many.

    A folder that is not there has nothing old in it.
    """
    deleted, troubles = 0, []
    try:
        with _folder(str(path)) as root:
            for day in sorted(_days(root, oldest)):
                try:
                    deleted += _empty(root, day, most - deleted)
                except OSError as error:
                    troubles.append(f"{path}/{day}: {error.strerror}")
                if deleted >= most:
                    return Swept(deleted, more=True)
    except FileNotFoundError:
        return Swept()
    except OSError as error:
        troubles.append(f"{path}: {error.strerror}")
    return Swept(deleted, trouble=troubles[0] if troubles else "")


def hindrance(path: Path, day: date) -> str:
    """Why recordings of `day`, which Asterisk has just proven to write, could not be deleted here; empty if they could.

    So it is known from the first day on, not when the first recording is old.
    """
    folder = path / day.isoformat()
    if not folder.is_dir():
        return f"{folder}, which Asterisk has made, is not here: the folder is not shared"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"{folder}: this user (uid {os.geteuid()}) may not delete files in it"
    return ""


def _days(root: int, oldest: date) -> Iterator[str]:
    """The folders of days before `oldest`."""
    with os.scandir(root) as found:
        for each in found:
            try:
                day = date.fromisoformat(each.name)
            except ValueError:
                continue
            if each.name == day.isoformat() and day < oldest and each.is_dir(follow_symlinks=False):
                yield each.name


def _empty(root: int, day: str, most: int) -> int:
    """Delete up to `most` recordings of a day, and its folder when nothing is left in it; how many it was.

    Raises:
        OSError: one could not be deleted; those before it are.
    """
    deleted = 0
    with _folder(day, root) as folder:
        with os.scandir(folder) as found:
            names = [each.name for each in found]
        for name in sorted(names):
            if name != _PROOF and not _RECORDING.fullmatch(name):
                continue
            if not S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                continue
            if deleted >= most:
                return deleted
            os.unlink(name, dir_fd=folder)
            names.remove(name)
            deleted += name != _PROOF
    if not names:
        os.rmdir(day, dir_fd=root)
    return deleted


@contextmanager
def _folder(name: str, parent: int | None = None) -> Iterator[int]:
    """A folder opened for work in it; below another one never by a link."""
    opened = os.open(name, _FOLDER | (os.O_NOFOLLOW if parent is not None else 0), dir_fd=parent)
    try:
        yield opened
    finally:
        os.close(opened)
