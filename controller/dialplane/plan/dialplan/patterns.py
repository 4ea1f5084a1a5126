"""Whether a number matches an Asterisk pattern, for planning; Asterisk itself decides which match is best."""

import re
from collections.abc import Iterable
from functools import cache

_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}
_ELEMENT = re.compile(r"\[[^\]]+\]|.")


def matches(pattern: str, number: str) -> bool:
    """Whether `number` is what `pattern` (a number, or `_` and elements as in `DialPattern`) describes."""
    return _compiled(pattern).fullmatch(number) is not None


def any_matches(patterns: Iterable[str], number: str) -> bool:
    """Whether one of the patterns matches."""
    return any(matches(pattern, number) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    if not pattern.startswith("_"):
        return re.compile(re.escape(pattern))
    elements: list[str] = _ELEMENT.findall(pattern[1:])
    return re.compile("".join(_CLASSES.get(e) or (e if e.startswith("[") else re.escape(e)) for e in elements))
