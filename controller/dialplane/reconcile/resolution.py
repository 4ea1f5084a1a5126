"""Where a trunk's requests go, asked as Asterisk asks: DNS alone (not /etc/hosts), for the trunk's own transport.

Without a port NAPTR, else SRV, says which hosts serve that protocol, and no other counts then; with a port, or without
such records, it is the name itself. Of a host only addresses of the transport's version of IP are of use
(res_pjsip/pjsip_resolver.c).
"""

import asyncio
from dataclasses import dataclass

from dns.asyncresolver import Resolver
from dns.exception import DNSException, Timeout
from dns.rdata import Rdata
from dns.resolver import NXDOMAIN, NoNameservers, NoResolverConfiguration

from dialplane.plan.pjsip.uri import transport_of
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.sip_trunk import SipTrunkSpec

_SERVICES = {"udp": ("sip+d2u", "_sip._udp"), "tcp": ("sip+d2t", "_sip._tcp"), "tls": ("sips+d2t", "_sips._tcp")}
_RECORDS = {"4": "A", "6": "AAAA"}


@dataclass(frozen=True, slots=True)
class Hop:
    """The name that requests go to, and by what transport (`udp4`); a port rules NAPTR and SRV out."""

    name: str
    port: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """Addresses in the order of their preference, or why there are none."""

    addresses: tuple[str, ...] = ()
    failure: str = ""


def hop_of(asterisk: AsteriskSpec, trunk: SipTrunkSpec) -> Hop | None:
    """The name that a trunk's requests go to; None where that is an address, or no transport could carry them."""
    transport = transport_of(asterisk, trunk)
    if trunk.next_hop_is_address or transport is None or not transport.kind:
        return None
    return Hop(*trunk.next_hop, transport.kind)


async def resolve(hop: Hop, limit: float) -> Resolution:
    """Ask this machine's name servers, `limit` seconds in all. Whatever fails is said, not raised."""
    try:
        async with asyncio.timeout(limit):
            resolver = Resolver()
            resolver.lifetime = limit
            addresses = await _addresses(resolver, hop)
    except (TimeoutError, DNSException, OSError) as error:
        return Resolution(failure=_failure(error, hop, limit))
    if not addresses:
        protocol, version = hop.kind[:-1], hop.kind[-1]
        return Resolution(failure=f"DNS knows no address of {hop.name} for {protocol} over IPv{version}")
    return Resolution(addresses)


def _failure(error: Exception, hop: Hop, limit: float) -> str:
    match error:
        case TimeoutError() | Timeout():
            return f"no name server answered within {limit:g} s when asked for {hop.name}"
        case NoResolverConfiguration():
            return "no name server is configured in /etc/resolv.conf"
        case NXDOMAIN():
            return f"DNS says that {hop.name} does not exist"
        case NoNameservers():
            return f"the name server fails when asked for {hop.name}"
        case _:
            return f"{hop.name} cannot be looked up: {error}"


async def _addresses(resolver: Resolver, hop: Hop) -> tuple[str, ...]:
    hosts = await _servers(resolver, hop) if hop.port is None else None
    found: dict[str, None] = {}
    for host in (hop.name,) if hosts is None else hosts:
        for record in await _ask(resolver, host, _RECORDS[hop.kind[-1]], must_exist=hosts is None):
            found[record.to_text()] = None
    return tuple(found)


async def _servers(resolver: Resolver, hop: Hop) -> tuple[str, ...] | None:
    """The hosts that NAPTR or SRV names for the protocol, the preferred first; None where neither says anything."""
    service, prefix = _SERVICES[hop.kind[:-1]]
    rules = [
        rule
        for rule in await _ask(resolver, hop.name, "NAPTR")
        if rule.service.decode("ascii", "replace").lower() == service and rule.flags.lower() == b"s"  # type: ignore[attr-defined]
    ]
    rules = [rule for rule in rules if rule.order == min(r.order for r in rules)]  # type: ignore[attr-defined]
    places = [rule.replacement.to_text() for rule in rules]  # type: ignore[attr-defined]
    records = [record for place in places or [f"{prefix}.{hop.name}"] for record in await _ask(resolver, place, "SRV")]
    records.sort(key=lambda record: record.priority)  # type: ignore[attr-defined]
    if not records and not places:
        return None
    targets = (record.target.to_text() for record in records)  # type: ignore[attr-defined]
    return tuple(target for target in targets if target != ".")


async def _ask(resolver: Resolver, name: str, kind: str, *, must_exist: bool = False) -> list[Rdata]:
    try:
        answer = await resolver.resolve(name, kind, search=True, raise_on_no_answer=False)
    except NXDOMAIN:
        if must_exist:
            raise
        return []
    return list(answer.rrset or ())
