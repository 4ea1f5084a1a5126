"""Outbound: from a dialled number to trunks, and who may.

Every class of service gets one context with the patterns of *all* permissions, so that Asterisk's best match decides
before permission does: `_0X.` would otherwise serve the phone that may not use `_00X.`. Where the same pattern stands
at several trunks, they are tried by priority, then by name. Different patterns never fall over to each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import get_args

from dialplane.plan.dialplan.contexts import context, entry
from dialplane.plan.dialplan.privacy import WISHES_PRIVACY
from dialplane.plan.dialplan.recording import RECORDING
from dialplane.plan.dialplan.routine import Trusted, listed, routine
from dialplane.plan.dialplan.trunks import REFUSED, TRUNK_CALL
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.fields import Permission
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import OutboundRoute, SipTrunkSpec

REJECTED = "21"
"""Q.850 `call rejected`: the phone is told 403 Forbidden."""
INTERNAL: Permission = "internal"
ALL_OUTBOUND: tuple[Permission, ...] = tuple(p for p in get_args(Permission) if p != INTERNAL)

MOST_WAYS = 16
"""Trunks that one call is tried over at most; nobody waits longer, and the list keeps its bounds."""

DIALLED = Trusted("${FILTER(0-9*#+,${EXTEN})}")
LENGTH = Trusted("${LEN(${EXTEN})}")

# A pattern that ends in `.` or `!` matches anything that a phone may send, commas and ampersands too. What is not
# purely a number is refused as a whole: with the rest taken out it could be a number of another permission.
OUTBOUND_CALL = routine(
    "outbound_call",
    ("number", "length", "routes"),
    """
          GotoIf($[${LEN(<number>)} != <length>]?malformed)
          GosubIf($["${DIALPLANE_RECORD}" = "always"]?<recording>,s,1(<number>))
          Set(LOCAL(number)=<number>)
          Gosub(<wishes_privacy>,s,1())
          Set(LOCAL(hidden)=${GOSUB_RETVAL})
          Set(LOCAL(left)=<routes>)
          Set(LOCAL(code)=)
    next: GotoIf($["x${left}" = "x"]?nobody)
          Set(LOCAL(route)=${CUT(left,&,1)})
          Set(LOCAL(left)=${CUT(left,&,2-)})
          Set(LOCAL(patience)=${IF($["x${left}" = "x"]?:own)})
          Set(LOCAL(sent)=${CUT(route,:,3)}${number:${CUT(route,:,2)}})
          Gosub(<trunk_call>,s,1(${CUT(route,:,1)},${sent},${DIALPLANE_CALLER_ID},no,${hidden},${patience}))
          Set(LOCAL(code)=${IF($["x${GOSUB_RETVAL}" = "x"]?${code}:${GOSUB_RETVAL})})
          Goto(next)
    malformed: Hangup(28)
    nobody: GotoIf($["x${code}" = "x"]?failed)
          Gosub(<refused>,s,1(${code}))
    failed: Hangup(34)
    """,
    calls=(RECORDING, WISHES_PRIVACY, REFUSED, TRUNK_CALL),
)
"""Tries `trunk:strip:prepend` routes in order; the next one only where a trunk failed. Where all did, the caller hears
what the last one said of the number, else 503. The last trunk is waited for without a limit: there is nothing to gain.
"""

ROUTINES = (OUTBOUND_CALL,)


def outbound_context(permissions: Iterable[Permission]) -> str:
    """The context of the outbound routes, as open as `permissions` make them."""
    return "-".join(("dp-outbound", *(sorted({*permissions} - {INTERNAL}) or ("none",))))


def outbound(site: Site, permissions: Iterable[Permission]) -> DialplanContext:
    """Every pattern of the site, for a caller with these permissions."""
    allowed = frozenset(permissions)
    entries = [_entry(pattern, routes, allowed) for pattern, routes in sorted(outbound_routes(site.trunks).items())]
    return context(outbound_context(allowed), site.asterisk_key, entries)


def outbound_routes(trunks: Iterable[tuple[Key, SipTrunkSpec]]) -> Mapping[str, list[tuple[Key, OutboundRoute]]]:
    """The routes of each pattern, in the order in which a call is tried over them."""
    found: dict[str, list[tuple[Key, OutboundRoute]]] = defaultdict(list)
    for key, spec in trunks:
        for route in spec.outbound:
            found[route.pattern].append((key, route))
    for routes in found.values():
        routes.sort(key=lambda each: (each[1].priority, each[0]))
    return found


def _entry(pattern: str, routes: list[tuple[Key, OutboundRoute]], allowed: frozenset[Permission]) -> DialplanEntry:
    usable = [(key, route) for key, route in routes if route.permission in allowed]
    if not usable:
        return entry(pattern, "Hangup", REJECTED, routes[0][0])
    ways = listed(_way(key, route) for key, route in usable[:MOST_WAYS])
    return OUTBOUND_CALL.entry(pattern, usable[0][0], DIALLED, LENGTH, ways)


def _way(key: Key, route: OutboundRoute) -> str:
    return listed((key.name, str(route.strip), route.prepend), separator=":")
