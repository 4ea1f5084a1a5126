"""PURE: from one status to another, as a JSON merge patch (RFC 7386), and which differences can wait."""

from collections.abc import Mapping
from typing import Any

JSON = Any

NEVER_VOLATILE = frozenset({"observedGeneration"})
"""A number that tells something by itself."""
VOLATILE_TIMES = frozenset({"lastSeenAt", "lastRegisteredAt", "lastCallAt", "lastDeliveredAt"})
"""Times that move like a counter; they ride along like numbers."""


def compact(value: JSON) -> JSON:
    """The value without nulls in objects: the server drops them, so that a status with one would differ for ever."""
    if isinstance(value, Mapping):
        return {k: compact(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [compact(v) for v in value]
    return value


def merge_patch(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> dict[str, JSON]:
    """The smallest patch that makes `old` equal `new` (both compact): null removes a field, a list replaces a list."""
    patch: dict[str, JSON] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := merge_patch(before, value):
                patch[name] = inner
        elif name not in old or before != value:
            patch[name] = value
    return patch


def steady(value: JSON, volatile: frozenset[str] = VOLATILE_TIMES) -> JSON:
    """The part of a compact status whose change is a transition: all but numbers and the fields named `volatile`.

    A volatile field's presence stays, only its value goes: that it appears or disappears is a transition.
    """
    if isinstance(value, Mapping):
        return {
            k: v if k in NEVER_VOLATILE else None if k in volatile else steady(v, volatile) for k, v in value.items()
        }
    if isinstance(value, list):
        return [steady(v, volatile) for v in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None
    return value
