"""Inbound: from a number that a carrier delivers to a destination.

Each trunk has a context that includes nothing, so that a caller from outside reaches exactly the listed numbers; any
other is refused with 404 because nothing matches. Carriers write the same number with and without `+`: a DID matches
both ways, unless the other way is listed as well.
"""

from collections.abc import Iterator

from dialplane.plan.dialplan.contexts import END, Address, context, entry
from dialplane.plan.dialplan.destinations import Destinations
from dialplane.plan.dialplan.endpoints import trunk_context
from dialplane.plan.dialplan.numbers import PLAIN_NAME, PLAIN_NUMBER
from dialplane.plan.dialplan.privacy import ASKS_PRIVACY
from dialplane.plan.dialplan.routine import routine
from dialplane.plan.dialplan.trunks import WRITTEN_NUMBER
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import InboundRoute, SipTrunkSpec

ANY = "*"
ANY_NUMBER = "_[+0-9A-Za-z*#]!"
"""Whatever a carrier sends calls to: a number, the user of the registered contact, or `s` for none."""

UNALLOCATED = "1"
"""Q.850 `unallocated number`: the carrier is told 404."""

INBOUND = routine(
    "inbound",
    ("trunk", "context", "extension"),
    """
          Set(LOCAL(said)=${CALLERID(num)})
          Gosub(<plain_number>,s,1)
          Set(LOCAL(number)=${GOSUB_RETVAL})
          Set(CALLERID(name)=PLAIN_NAME)
          GotoIf(${DIALPLAN_EXISTS(dp-trunks,<trunk>,1)}?:refused)
          Gosub(dp-trunks,<trunk>,1)
          Set(LOCAL(row)=${GOSUB_RETVAL})
          Set(LOCAL(most)=${CUT(row,:,1)})
          Set(GROUP(trunk)=<trunk>)
          GotoIf($["x${most}" = "x"]?caller)
          GotoIf($[${GROUP_COUNT(<trunk>@trunk)} > ${most}]?full)
    caller: Set(LOCAL(format)=${CUT(row,:,2)})
          Gosub(<written_number>,s,1(${number},${format},${CUT(row,:,3)},${CUT(row,:,4)},${CUT(row,:,5)}))
          Set(CALLERID(num)=${GOSUB_RETVAL})
          GotoIf($["x${number}" = "x"]?hidden)
          Gosub(<asks_privacy>,s,1())
          GotoIf($["${GOSUB_RETVAL}" = "yes"]?:known)
    hidden: Set(CALLERID(pres)=prohib)
    known: Goto(<context>,<extension>,1)
    full: Hangup(17)
    refused: Hangup(1)
    """.replace("PLAIN_NAME", PLAIN_NAME),
    calls=(PLAIN_NUMBER, WRITTEN_NUMBER, ASKS_PRIVACY),
)
"""Counts the call, writes the caller's number as the trunk's policy says, and sends the call on. A caller without a
number is anonymous, as is one who asks for it: otherwise a phone would show the address of this Asterisk, or the
number."""

INBOUND_TO_HEADER = routine(
    "inbound_to_header",
    ("context",),
    """
          Set(LOCAL(to)=${PJSIP_HEADER(read,To)})
          Set(LOCAL(uri)=${CUT(to,<,2)})
          GotoIf($[${LEN(${uri})} > 0]?within)
          Set(LOCAL(uri)=${to})
    within: Set(LOCAL(uri)=${CUT(uri,>,1)})
          GotoIf($["${FILTER(a-z:,${TOLOWER(${uri:0:4})})}" = "tel:"]?tel)
          Set(LOCAL(said)=${PJSIP_PARSE_URI_FROM(uri,user)})
          Goto(read)
    tel: Set(LOCAL(said)=${uri:4})
    read: Gosub(<plain_number>,s,1)
          Set(LOCAL(number)=${GOSUB_RETVAL})
          Set(LOCAL(number)=${IF($["x${number}" = "x"]?unknown:${number})})
          GotoIf(${DIALPLAN_EXISTS(<context>,${number},1)}?:refused)
          Goto(<context>,${number},1)
    refused: Hangup(1)
    """,
    calls=(PLAIN_NUMBER,),
)
"""Takes the called number from the To header (`sip:` or `tel:`); it must then be one of the trunk's own DIDs."""

END_OF_CALL = routine("end", (), "Hangup(16)")

ROUTINES = (INBOUND, INBOUND_TO_HEADER, END_OF_CALL)


def inbound(site: Site, destinations: Destinations) -> Iterator[DialplanContext]:
    """For each trunk the context its calls start in, that of its numbers where To decides, and that of its groups."""
    yield context(END, site.asterisk_key, [END_OF_CALL.entry("s", site.asterisk_key)])
    trunks = dict(site.trunks)
    for key, spec in site.trunks:
        guests = [(guest, trunks[guest]) for guest in site.identification.guests.get(key, ())]
        numbers = _numbers([(key, spec), *guests], destinations)
        if spec.inbound_number_from == "toHeader":
            by_header = f"dp-did-{key.name}"
            yield context(by_header, key, numbers)
            numbers = [INBOUND_TO_HEADER.entry(ANY_NUMBER, key, by_header)]
        yield context(trunk_context(key), key, numbers)
        groups = [(route.to.ring_group, _group_place(key, route)) for route in spec.inbound]
        entries = [destinations.group_entry(group, place, key) for group, place in groups if group]
        if entries:
            yield context(_group_context(key), key, entries)


def _numbers(trunks: list[tuple[Key, SipTrunkSpec]], destinations: Destinations) -> list[DialplanEntry]:
    """The numbers of a trunk and of its guests; what several list is the first one's."""
    listed = {route.did for _, spec in trunks for route in spec.inbound}
    entries: dict[str, DialplanEntry] = {}
    for key, spec in trunks:
        for route in spec.inbound:
            address = destinations.address(route.to, _group_place(key, route))
            for number in _written(route.did, listed):
                if address is None:
                    # Not left out: the call must not fall to the one that catches every other number.
                    line = entry(number, "Hangup", UNALLOCATED, key)
                else:
                    line = INBOUND.entry(number, key, key.name, address.context, address.extension)
                entries.setdefault(number, line)
    return list(entries.values())


def _written(did: str, listed: set[str]) -> list[str]:
    if did == ANY:
        return [ANY_NUMBER]
    other = did.removeprefix("+") if did.startswith("+") else f"+{did}"
    return [did] if other in listed else [did, other]


def _group_context(key: Key) -> str:
    return f"dp-groups-{key.name}"


def _group_place(key: Key, route: InboundRoute) -> Address:
    return Address(_group_context(key), "any" if route.did == ANY else route.did)
