"""A patch makes one status equal another, and says which differences can wait."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dialplane.kube.merge_patch import compact, merge_patch, steady

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
NAMES = st.sampled_from(["a", "b", "observedGeneration", "lastSeenAt"])
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=12)
STATUSES = st.dictionaries(NAMES, VALUES, max_size=4)


def apply(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


@given(STATUSES, STATUSES)
def test_the_patch_makes_the_old_status_the_new_one(old: dict[str, Any], new: dict[str, Any]) -> None:
    old, new = compact(old), compact(new)
    patch = merge_patch(old, new)
    assert apply(old, patch) == new
    assert bool(patch) == (old != new)


@pytest.mark.parametrize(
    ("old", "new", "transition"),
    [
        ({"calls": 1}, {"calls": 2}, False),
        ({"pool": {"inUse": 1}}, {"pool": {"inUse": 2}}, False),
        ({"lastSeenAt": "1"}, {"lastSeenAt": "2"}, False),
        ({}, {"calls": 2}, True),
        ({"observedGeneration": 1}, {"observedGeneration": 2}, True),
        ({"state": "Normal"}, {"state": "Error"}, True),
        ({"ok": True}, {"ok": False}, True),
        ({"contacts": [{"uri": "a"}]}, {"contacts": []}, True),
    ],
)
def test_numbers_can_wait_and_everything_else_cannot(old: Any, new: Any, transition: bool) -> None:
    assert (steady(old) != steady(new)) is transition
