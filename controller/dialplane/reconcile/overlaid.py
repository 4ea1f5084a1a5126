"""Which changes of a large site need no reload of every endpoint."""

from collections.abc import Collection, Mapping
from typing import Final

from dialplane.asterisk.overlay import FILES, TYPES, fits
from dialplane.asterisk.reload import PJSIP, reloads_for
from dialplane.plan.objects import PjsipObject
from dialplane.reconcile.revoked import Readable

MOST: Final = 50
"""Objects at a time; for more a reload is about as quick."""


def overlaid(
    proven: Mapping[str, Readable],
    wanted: Mapping[str, Readable],
    obsolete: Mapping[str, Readable],
    unread: Collection[str],
) -> tuple[PjsipObject, ...] | None:
    """What to put into Asterisk's database so that `res_pjsip.so` need not be reloaded now. Pure.

    Args:
        proven: what Asterisk was asked for and has, by name.
        wanted: what it should have.
        obsolete: what it should have no longer.
        unread: files that it has not read since they changed.

    Returns:
        The objects to put there, maybe none; None where only a reload will do: something is new, deleted or of another
        type, does not fit, or there is too much of it.
    """
    others = {path for path in unread if path not in FILES}
    if PJSIP in reloads_for(others).modules or any(_in_files(item) for item in obsolete.values()):
        return None
    items: list[PjsipObject] = []
    for name, item in wanted.items():
        known = proven.get(name)
        if known is item or not isinstance(item, PjsipObject) or known == item or not _in_files(item):
            continue
        if not isinstance(known, PjsipObject) or item.type not in TYPES or not fits(item) or len(items) == MOST:
            return None
        if _mailboxes(known) != _mailboxes(item):  # a reload alone makes Asterisk tell the phone of its messages
            return None
        items.append(item)
    return tuple(items)


def _mailboxes(item: PjsipObject) -> list[object]:
    return [value for name, value in item.options if name == "mailboxes"]


def _in_files(item: Readable) -> bool:
    """Whether it takes a reload of `res_pjsip.so` to have Asterisk read this object's file."""
    return isinstance(item, PjsipObject) and PJSIP in reloads_for((item.type.file,)).modules
