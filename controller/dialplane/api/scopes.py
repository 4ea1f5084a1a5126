"""What a token may do: the scopes that stand in its file after the token, one a line. Pure.

`sms`, `notifications`, `infinity:read:TENANT`, `infinity:call:TENANT`, `infinity:manage:TENANT`; `*` is every tenant.
Who may place calls of a tenant, or manage it, may read it too. A file without scopes is a token for everything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Area = Literal["sms", "notifications"]
Right = Literal["read", "call", "manage"]

EVERY: Final = "*"
_INFINITY: Final = re.compile(r"infinity:(read|call|manage):([*]|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)")
_AREAS: Final[Mapping[str, Area]] = {"sms": "sms", "notifications": "notifications"}
_READ_WITH: Final[Mapping[str, tuple[Right, ...]]] = {
    "read": ("read",),
    "call": ("call", "read"),
    "manage": ("manage", "read"),
}


class BadScopeError(ValueError):
    """A line is no scope: the token's owner corrects it. Says which line, and never what stands there."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is no scope")
        self.line = line
        """From 1."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a token may do."""

    areas: frozenset[Area] = frozenset()
    tenants: Mapping[Right, frozenset[str]] = field(default_factory=dict)
    """Of which tenants; `EVERY` is all."""

    def covers(self, area: Area) -> bool:
        """Whether the paths under `/AREA` are for it."""
        return area in self.areas

    def of_tenant(self, right: Right, tenant: str) -> bool:
        """Whether it may do this with a tenant, there or not."""
        allowed = self.reach(right)
        return allowed is None or tenant in allowed

    def reach(self, right: Right) -> frozenset[str] | None:
        """The tenants with which it may do this; None: all."""
        allowed = self.tenants.get(right, frozenset())
        return None if EVERY in allowed else allowed


EVERYTHING: Final = Scopes(
    frozenset({"sms", "notifications"}), {right: frozenset({EVERY}) for right in ("read", "call", "manage")}
)


def parse(lines: Iterable[tuple[int, str]]) -> Scopes:
    """The scopes of a token file, given its lines after the token with their numbers; empty ones do not count.

    Raises:
        BadScopeError: a line is none.
    """
    areas: set[Area] = set()
    tenants: dict[Right, set[str]] = {}
    any_line = False
    for number, scope in lines:
        if not scope:
            continue
        any_line = True
        if area := _AREAS.get(scope):
            areas.add(area)
        elif found := _INFINITY.fullmatch(scope):
            for right in _READ_WITH[found[1]]:
                tenants.setdefault(right, set()).add(found[2])
        else:
            raise BadScopeError(number)
    if not any_line:
        return EVERYTHING
    return Scopes(frozenset(areas), {right: frozenset(names) for right, names in tenants.items()})
