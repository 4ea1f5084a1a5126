"""Whose fault it is that Asterisk has something otherwise."""

from collections import defaultdict
from collections.abc import Iterable

from dialplane.asterisk.mismatch import Mismatch
from dialplane.resources.key import Key

Blame = dict[Key | None, tuple[Mismatch, ...]]


def of_dialplan(mismatch: Mismatch) -> bool:
    """Whether it is lines of extensions.conf that differ."""
    return mismatch.object.startswith("context ")


def blame(differing: Iterable[Mismatch], *, whole: bool) -> tuple[Blame, dict[Key, tuple[Mismatch, ...]]]:
    """Whom to blame, and who only waits for a dialplan that is refused as a whole. Pure."""
    found: dict[Key | None, list[Mismatch]] = defaultdict(list)
    waiting: dict[Key, list[Mismatch]] = defaultdict(list)
    for mismatch in differing:
        if whole and mismatch.owner is not None and of_dialplan(mismatch):
            waiting[mismatch.owner].append(mismatch)
        else:
            found[mismatch.owner].append(mismatch)
    return {k: tuple(v) for k, v in found.items()}, {k: tuple(v) for k, v in waiting.items()}
