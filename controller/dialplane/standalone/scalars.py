"""What an unquoted YAML word means, and which ones mean different things to different readers.

kubectl, Argo CD and Flux read YAML 1.1 (in Go's dialect), we read the 1.2 core schema. A word that the two read
differently (`0101` is 65 there and 101 here, `yes` is a boolean there and text here) is refused with "quote it", so
that a manifest means the same through either front door.
"""

import re
from typing import Final

Scalar = str | int | float | bool | None

_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)")

_UNLIKE: Final = (
    (re.compile(r"(?i:y|n|yes|no|on|off)"), "is true or false to some YAML readers and text to others"),
    (re.compile(r"[-+]?0[0-9_]+"), "is octal to some YAML readers and decimal to others"),
    (re.compile(r"[-+]?0o[0-7_]+"), "is a number to some YAML readers and text to others"),
    (re.compile(r"[-+]?0b[01_]+|[-+]0x[0-9a-fA-F_]+"), "is a number to some YAML readers and text to others"),
    (re.compile(r"[-+]?0x[0-9a-fA-F_]*_[0-9a-fA-F_]*"), "is a number to some YAML readers and text to others"),
    (re.compile(r"[-+]?[0-9][0-9]*_[0-9_.]*"), "is a number to some YAML readers and text to others"),
    (re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?"), "is a number of base 60 to some YAML readers"),
    (
        re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+"),
        "is a number to some YAML readers and text to others",
    ),
    (re.compile(r"[-+]?0[0-9]+\.[0-9]*"), "is a number to some YAML readers and text to others"),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), "is not a number that JSON can carry"),
    (
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?"),
        "is a date to some YAML readers and text to others",
    ),
    (re.compile(r"<<"), "merges another mapping in some YAML readers"),
    (re.compile(r"="), "is a special value to some YAML readers"),
)
_FIRST: Final = frozenset("0123456789+-.yYnNoO<=")
"""Every word above starts with one of these: most words are text and are told apart by one look."""


def doubt(word: str) -> str | None:
    """Why the unquoted `word` cannot be read with certainty; None where all readers agree."""
    if word[:1] not in _FIRST:
        return None
    return next((why for pattern, why in _UNLIKE if pattern.fullmatch(word)), None)


def resolve(word: str) -> Scalar:
    """The value of an unquoted word of which there is no `doubt`."""
    if word in _NULL:
        return None
    if word in _BOOL:
        return _BOOL[word]
    if _INT.fullmatch(word):
        return int(word)
    if _HEX.fullmatch(word):
        return int(word, 16)
    if _FLOAT.fullmatch(word):
        return float(word)
    return word
