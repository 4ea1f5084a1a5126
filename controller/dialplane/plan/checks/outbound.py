"""Outbound routes do what they say: their priority counts, and no emergency number loses digits on its way.

Partial: the routes are served as Asterisk reads them.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Final

from dialplane.plan.dialplan.outbound import MOST_WAYS, outbound_routes
from dialplane.plan.dialplan.patterns import matches, precedence, same_digits
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.voice_bots import bots
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.numbering import EMERGENCY_NUMBERS
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import OutboundRoute, SipTrunkSpec

_LONGEST_PREFIX: Final = 3


def overlapping_routes(draft: Draft) -> Iterator[Finding]:
    """Two patterns for the same digits have one priority each that Asterisk never looks at: it takes the longer one."""
    by_start: dict[str, list[str]] = defaultdict(list)
    routes = outbound_routes(draft.of(SipTrunkSpec))
    for pattern in routes:
        by_start[pattern.removeprefix("_")[:1]].append(pattern)
    for patterns in by_start.values():
        for one, other in combinations(patterns, 2):
            if not same_digits(one, other):
                continue
            (rival, first), (key, route) = routes[one][0], routes[other][0]
            if key != rival:
                message = (
                    f"pattern {other} is for the same numbers as {one} of {rival}, and Asterisk chooses between them "
                    f"by the pattern alone: write both alike, so that priorities {route.priority} and {first.priority} "
                    "count"
                )
                yield key, _problem(draft, key, route, message, "pattern")


def routes_beyond_reach(draft: Draft) -> Iterator[Finding]:
    """A call is tried over so many trunks, and a number that an Extension has never goes out."""
    for routes in outbound_routes(draft.of(SipTrunkSpec)).values():
        for key, route in routes[MOST_WAYS:]:
            message = f"{MOST_WAYS} trunks come before it at this pattern, and a call is tried over no more"
            yield key, _problem(draft, key, route, message, "priority")
    numbers: dict[str | None, Key] = {bot.spec.number: bot.key for bot in bots(draft)}
    numbers |= {spec.number: key for key, spec in draft.of(ExtensionSpec)}
    for key, spec in draft.of(SipTrunkSpec):
        for route in spec.outbound:
            if route.pattern in numbers:
                message = f"{route.pattern} is the number of {numbers[route.pattern]}, where such a call goes"
                yield key, _problem(draft, key, route, message, "pattern")


def shortened_emergency_numbers(draft: Draft) -> Iterator[Finding]:
    """No emergency number leaves as another number: by a route that takes digits off, or with a prefix left on."""
    emergency = draft.asterisk.emergency if draft.asterisk else None
    if emergency is None:
        yield from _unguarded(draft)
        return
    for index, number in enumerate(emergency.numbers):
        inner = next((n for n in (number[size:] for size in range(1, _LONGEST_PREFIX + 1)) if _is_known(n)), None)
        if inner and not _is_known(number) and draft.asterisk_key:
            prefix = number.removesuffix(inner)
            message = (
                f"{number} goes to the emergency centre as it is dialled: where {prefix} leads outside, list {inner} "
                f"here and {prefix} in prefixes"
            )
            field = f"spec.emergency.numbers[{index}]"
            yield draft.asterisk_key, Problem(Reason.INVALID, message, field, partial=True)


def _unguarded(draft: Draft) -> Iterator[Finding]:
    patterns = sorted({route.pattern for _, spec in draft.of(SipTrunkSpec) for route in spec.outbound}, key=precedence)
    taken = {number: next((p for p in patterns if matches(p, number)), None) for number in ("112", "911", "999")}
    for key, spec in draft.of(SipTrunkSpec):
        for route in spec.outbound:
            caught = [number for number, pattern in taken.items() if pattern == route.pattern]
            if caught and (route.strip or route.prepend):
                sent = route.prepend + caught[0][route.strip :]
                message = (
                    f"the emergency call {caught[0]} would leave as {sent}: name the emergency numbers in "
                    f"{draft.asterisk_key or 'the Asterisk'}, spec.emergency"
                )
                yield key, _problem(draft, key, route, message, "strip")


def _is_known(number: str) -> bool:
    return number in EMERGENCY_NUMBERS


def _problem(draft: Draft, key: Key, route: OutboundRoute, message: str, field: str) -> Problem:
    spec = draft.resources[key].spec
    index = spec.outbound.index(route) if isinstance(spec, SipTrunkSpec) else 0
    reason = Reason.INVALID if field == "strip" else Reason.CONFLICT
    return Problem(reason, message, f"spec.outbound[{index}].{field}", partial=True)
