"""The text of a message as a line of AMI carries it: escaped, and cut where it is longer than a line.

The driver reads C's escapes in the field `Message` (`ast_unescape_c`): a backslash before `a b f n r t v` names a
control character, before anything else it stands for that very character. AMI itself takes blanks off the front.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from dialplane.asterisk.decoder import LONGEST_LINE
from dialplane.asterisk.errors import LineRefused

ROOM: Final = LONGEST_LINE - len("Message: ")
"""Bytes of escaped text that one action carries."""

_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_LEADING: Final = {"\t": "\\t", "\v": "\\v", "\f": "\\f", "\a": "\\a", "\b": "\\b"}
_LAST_BLANK: Final = " "
"""AMI skips whatever is not above it at a value's beginning."""
_JOINER: Final = "\u200d"
_MODIFIERS: Final = (("\U0001f3fb", "\U0001f3ff"), ("\U000e0020", "\U000e007f"))
"""Skin tones, and the tags that flags of regions are made of: they belong to what stands before."""
_REGIONALS: Final = ("\U0001f1e6", "\U0001f1ff")
"""Two of these are one flag."""


def escape(text: str) -> str:
    """The text as the field `Message` carries it, whatever its length.

    Raises:
        LineRefused: NUL and half characters (surrogates) cannot be sent.
    """
    return "".join(_escaped(character, first=index == 0) for index, character in enumerate(text))


def pieces(text: str, room: int = ROOM) -> list[str]:
    """Cut the text so that each piece, escaped, has at most `room` bytes; joined they are the text again.

    Each is as long as fits, and never ends within what a reader sees as one character, unless that alone is longer.

    Raises:
        LineRefused: as `escape`.
        ValueError: less room than a character needs.
    """
    found: list[str] = []
    start = 0
    while start < len(text):
        end = _furthest(text, start, room)
        if end == start:
            raise ValueError(f"{room} bytes have no room for a character")
        if end < len(text):
            end = next((cut for cut in range(end, start, -1) if not _together(text, cut)), end)
        found.append(text[start:end])
        start = end
    return found


def _furthest(text: str, start: int, room: int) -> int:
    size = 0
    for index in range(start, len(text)):
        size += len(_escaped(text[index], first=index == start).encode())
        if size > room:
            return index
    return len(text)


def _escaped(character: str, *, first: bool) -> str:
    if character == "\0" or "\ud800" <= character <= "\udfff":
        raise LineRefused("field 'Message': NUL and half characters cannot be sent as a text message")
    if character in _ESCAPES:
        return _ESCAPES[character]
    if first and character <= _LAST_BLANK:
        return _LEADING.get(character, f"\\{character}")
    return character


def _together(text: str, cut: int) -> bool:
    """Whether the characters before and after a cut are one to a reader (the main rules of Unicode's annex 29)."""
    before, after = text[cut - 1], text[cut]
    if before == "\r" and after == "\n":
        return True
    if _JOINER in {before, after} or unicodedata.category(after).startswith("M"):
        return True
    if any(low <= after <= high for low, high in _MODIFIERS):
        return True
    return _regional(before) and _regional(after) and sum(1 for _ in _regionals_before(text, cut)) % 2 == 1


def _regionals_before(text: str, cut: int) -> Iterator[str]:
    for index in range(cut - 1, -1, -1):
        if not _regional(text[index]):
            return
        yield text[index]


def _regional(character: str) -> bool:
    return _REGIONALS[0] <= character <= _REGIONALS[1]
