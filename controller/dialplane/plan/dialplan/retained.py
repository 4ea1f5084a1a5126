"""Routines of an older version that live calls still run in: kept word for word until the last such call is over."""

import re
from collections.abc import Collection

_ROUTINE = re.compile(r"dp-[a-z-]+_[0-9a-f]{8}")


def retained(rendered: str, live: Collection[str], wanted: Collection[str]) -> str:
    """The routines to append, verbatim, to the file that replaces `rendered`.

    Args:
        rendered: the extensions.conf that Asterisk has now, with whatever was retained in it before.
        live: the contexts that channels are in now, as Asterisk names them.
        wanted: the contexts of the new dialplan; they are never retained.

    Returns:
        The text of each routine that is not wanted and that a call is in, or may still get into: a channel shows only
        the routine it is in, while others wait on its stack, and it may go on into further ones.
    """
    old = {name: text for name, text in _sections(rendered).items() if _ROUTINE.fullmatch(name)}
    mentions = {name: set(_ROUTINE.findall(text)) & old.keys() - {name} for name, text in old.items()}
    callers = {name: {other for other in old if name in mentions[other]} for name in old}
    needed = _reached(_reached(old.keys() & set(live), callers), mentions)
    return "".join(old[name] for name in sorted(needed - set(wanted)))


def routines(rendered: str) -> frozenset[str]:
    """The routines in a rendered extensions.conf."""
    return frozenset(name for name in _sections(rendered) if _ROUTINE.fullmatch(name))


def entered(rendered: str) -> frozenset[str]:
    """The routines that a new call may get into: those that a context which is no routine leads to."""
    outside = (text for name, text in _sections(rendered).items() if not _ROUTINE.fullmatch(name))
    return frozenset(name for text in outside for name in _ROUTINE.findall(text))


def _sections(text: str) -> dict[str, str]:
    sections = f"\n{text}".split("\n[")[1:]
    return {
        each.partition("]")[0]: f"[{each}\n" if index < len(sections) else f"[{each}"
        for index, each in enumerate(sections, start=1)
        if "]" in each
    }


def _reached(start: Collection[str], leads_to: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = list(start)
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += leads_to[name]
    return reached
