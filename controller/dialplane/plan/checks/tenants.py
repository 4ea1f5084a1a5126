"""Tenants of the Infinity platform: an id and an extension belong to one of them.

A pool has up to 10,000 numbers and a site many pools: they are compared by their ranges, never number by number.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple

from dialplane.plan.checks.conflicts import claimed
from dialplane.plan.draft import Draft, Finding
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.pool_numbers import POOL_MOST
from dialplane.resources.problem import Problem, Reason

TOLD_MOST: Final = 5
"""Clashes of one pool that are told: whoever has more has the same cure for all."""


class _Range(NamedTuple):
    """Numbers of as many digits, in the order they are compared in."""

    digits: int
    last: int
    first: int

    def __str__(self) -> str:
        ends = f"{self.first:0{self.digits}}", f"{self.last:0{self.digits}}"
        return ends[0] if self.first == self.last else "-".join(ends)

    def shared(self, other: "_Range") -> "_Range | None":
        """The numbers that are in both."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return _Range(self.digits, last, first) if self.digits == other.digits and first <= last else None


class _Taken:
    """Ranges that have an owner, none of which overlaps another."""

    def __init__(self) -> None:
        self._taken: list[tuple[_Range, str]] = []

    def clash(self, wanted: _Range) -> tuple[_Range, str] | None:
        """The first numbers of `wanted` that are taken, and who has them."""
        at = bisect_left(self._taken, (_Range(wanted.digits, wanted.first, 0), ""))
        if at == len(self._taken):
            return None
        other, owner = self._taken[at]
        shared = wanted.shared(other)
        return (shared, owner) if shared else None

    def take(self, wanted: _Range, owner: str) -> None:
        """Note an owner; nobody has any of `wanted` yet."""
        insort(self._taken, (wanted, owner))


def pools(draft: Draft) -> Iterator[Finding]:
    """A pool has each of its numbers once, and not more of them than can be looked after."""
    for key, spec in draft.of(InfinityTenantSpec):
        taken, total = _Taken(), 0
        for index, wanted in enumerate(_ranges(spec)):
            total += wanted.last - wanted.first + 1
            if clash := taken.clash(wanted):
                shared, owner = clash
                message = f"{shared} is in {owner} as well; a number is in a pool once"
                yield key, Problem(Reason.INVALID, message, _field(index))
            else:
                taken.take(wanted, f"numbers[{index}]")
        if total > POOL_MOST:
            message = f"{total:,} numbers; a pool has at most {POOL_MOST:,}: split it over two tenants"
            yield key, Problem(Reason.INVALID, message, "spec.extensionPool.numbers")


def duplicate_tenants(draft: Draft) -> Iterator[Finding]:
    """An id of the platform belongs to one tenant of a site."""
    claims: list[tuple[Key, Hashable, str]] = [
        (key, spec.tenant_id, "spec.tenantId") for key, spec in draft.of(InfinityTenantSpec)
    ]
    yield from claimed({}, claims, "{what!r} is the id of {who}; a tenant has an id of its own")


def overlapping_pools(draft: Draft) -> Iterator[Finding]:
    """An extension belongs to one tenant: two calls on it would be one too many."""
    taken = _Taken()
    for key, spec in draft.of(InfinityTenantSpec):
        ranges = _ranges(spec)
        clashes = [(index, clash) for index, wanted in enumerate(ranges) if (clash := taken.clash(wanted))]
        for index, (shared, owner) in clashes[:TOLD_MOST]:
            yield key, Problem(Reason.CONFLICT, f"{shared} belongs to {owner}; choose others", _field(index))
        if not clashes:
            for wanted in ranges:
                taken.take(wanted, str(key))


def _ranges(spec: InfinityTenantSpec) -> list[_Range]:
    found = []
    for text in spec.extension_pool.numbers:
        first, _, last = text.partition("-")
        found.append(_Range(len(first), int(last or first), int(first)))
    return found


def _field(index: int) -> str:
    return f"spec.extensionPool.numbers[{index}]"
