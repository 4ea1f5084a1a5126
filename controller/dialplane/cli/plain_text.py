"""Text of strangers on a terminal: seen as it is, and nothing that steers the terminal or turns the reading around."""

import re
import unicodedata
from typing import Final

_JOINERS: Final = "\u200c\u200d"
"""Invisible, harmless, and parts of many emoji and scripts."""
_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NOT_ASCII_STEERING: Final = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def harmless(text: str, *, lines: bool = False) -> str:
    """The text with control characters made visible: `ESC` as `␛`, others by number; `lines` keeps line breaks."""
    return "".join(_shown(character, lines=lines) for character in text)


def harmless_quoted(text: str) -> str:
    """JSON, or YAML whose odd texts are in double quotes, that means the same and steers no terminal."""
    return _NOT_ASCII_STEERING.sub(lambda found: _escaped(found[0]), text)


def _shown(character: str, *, lines: bool) -> str:
    if (lines and character == "\n") or character in _JOINERS or unicodedata.category(character) not in _STEERING:
        return character
    if character == "\x7f":
        return "\u2421"
    return chr(0x2400 + ord(character)) if character < " " else _escaped(character)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
