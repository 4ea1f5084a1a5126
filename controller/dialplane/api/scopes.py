"""What a token may do: the scopes that stand in its file after the token, one a line. Pure.

A service names its scopes by `ScopeRule`s: `AREA` alone (`sms`), or `AREA:RIGHT:NAME` (`infinity:call:acme`), in which
`*` is every name. A file without scopes is a token for everything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

EVERY: Final = "*"
_NAME: Final = re.compile(r"[*]|[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """The scopes of one area of the API."""

    area: str
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What each right brings: `{"call": ("call", "read")}`. Empty: the area has no rights and is granted as a whole."""


class BadScopeError(ValueError):
    """A line is no scope: the token's owner corrects it. Says which line, and never what stands there."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is no scope")
        self.line = line
        """From 1."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a token may do."""

    areas: frozenset[str] = frozenset()
    """Those granted as a whole."""
    names: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Area and right, with the names that they are granted for; `EVERY` is all."""
    everything: bool = False

    def covers(self, area: str) -> bool:
        """Return whether an area is granted as a whole."""
        return self.everything or area in self.areas

    def allows(self, area: str, right: str, name: str) -> bool:
        """Return whether this may be done with what has that name, there or not."""
        names = self.reach(area, right)
        return names is None or name in names

    def reach(self, area: str, right: str) -> frozenset[str] | None:
        """Return the names that a right is granted for; None is all."""
        names = self.names.get((area, right), frozenset())
        return None if self.everything or EVERY in names else names


EVERYTHING: Final = Scopes(everything=True)


def parse(lines: Iterable[tuple[int, str]], rules: Iterable[ScopeRule]) -> Scopes:
    """Read the scopes of a token file.

    Args:
        lines: those after the token, with their numbers; empty ones do not count.
        rules: the scopes that there are.

    Raises:
        BadScopeError: a line is none.
    """
    by_area = {rule.area: rule for rule in rules}
    areas: set[str] = set()
    names: dict[tuple[str, str], set[str]] = {}
    any_line = False
    for number, scope in lines:
        if not scope:
            continue
        any_line = True
        area, *rest = scope.split(":", 2)
        rule = by_area.get(area)
        if rule is not None and not rule.rights and not rest:
            areas.add(area)
        elif rule is not None and len(rest) == 2 and rest[0] in rule.rights and _NAME.fullmatch(rest[1]):  # noqa: PLR2004 -- right and name
            for right in rule.rights[rest[0]]:
                names.setdefault((area, right), set()).add(rest[1])
        else:
            raise BadScopeError(number)
    if not any_line:
        return EVERYTHING
    return Scopes(frozenset(areas), {key: frozenset(granted) for key, granted in names.items()})
