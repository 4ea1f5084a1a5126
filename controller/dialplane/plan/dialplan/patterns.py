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


def same_digits(one: str, other: str) -> bool:
    """Return whether two patterns describe the same digits as far as both go: only their lengths differ.

    `_0Z.` and `_0[1-9]X.` do; `_0X.` and `_00X.` do not: the second digit tells which is meant.
    """
    first, second = _digits(one), _digits(other)
    if one == other or not one.startswith("_") or not other.startswith("_") or min(len(first), len(second)) < _TELLING:
        return False
    open_ended = one[-1] in ".!" and other[-1] in ".!"
    return open_ended and all(a == b for a, b in zip(first, second, strict=False))


def overlap(one: str, other: str) -> bool:
    """Whether some number matches both patterns."""
    first, second = sorted((_digits(one), _digits(other)), key=len)
    shorter, longer = (one, other) if len(_digits(one)) <= len(_digits(other)) else (other, one)
    if not all(a & b for a, b in zip(first, second, strict=False)):
        return False
    if len(first) < len(second):
        return _end(shorter) != ""
    return {_end(shorter), _end(longer)} != {"", "."}


def precedence(pattern: str) -> tuple[object, ...]:
    """Sorts patterns as Asterisk looks through them: of those that match a number, it takes the first.

    A number comes before every pattern. Of two patterns the one that admits less at the first place where they differ
    comes first, and an open end after any digit.
    """
    open_end = {"": (0, ""), ".": (20, ""), "!": (21, "")}[_end(pattern)]
    return (pattern.startswith("_"), *((len(each), min(each)) for each in _digits(pattern)), open_end)


_TELLING = 2
"""Digits that two patterns must share, so that their likeness is no accident."""


@cache
def _digits(pattern: str) -> tuple[frozenset[str], ...]:
    """What may stand at each place of a pattern, without its open end."""
    elements = _ELEMENT.findall(pattern.removeprefix("_").rstrip(".!"))
    return tuple(frozenset(c for c in "0123456789+*#" if re.fullmatch(_expression(e), c)) for e in elements)


def _end(pattern: str) -> str:
    return pattern[-1] if pattern.startswith("_") and pattern[-1] in ".!" else ""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    if not pattern.startswith("_"):
        return re.compile(re.escape(pattern))
    elements: list[str] = _ELEMENT.findall(pattern[1:])
    return re.compile("".join(map(_expression, elements)))


def _expression(element: str) -> str:
    return _CLASSES.get(element) or (element if element.startswith("[") else re.escape(element))
