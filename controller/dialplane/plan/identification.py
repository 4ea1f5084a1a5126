"""Whose a call from outside is, where its address is all that tells.

Asterisk looks for the line of a registration first: what carries it is that trunk's, wherever it comes from. For the
rest the address decides, so that a network belongs to one trunk. Trunks with the very same networks (two accounts at
one carrier) share them: the elder's endpoint takes the calls, and the number called decides whose they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from dialplane.plan.draft import Finding
from dialplane.resources.asterisk import SIP_PORT, AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import SipTrunkSpec

Network = IPv4Network | IPv6Network

_SETTINGS: Final = "transport, codecs, dtmfMode, mediaEncryption, inboundNumberFrom and callerIdPolicy.trustInbound"


@dataclass(frozen=True, slots=True)
class Identification:
    """How the trunks of a site are known by address."""

    networks: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    """What each trunk is known by, as `match` has it."""
    guests: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    """By trunk, the others whose calls come to its endpoint too, since they have its networks."""
    findings: tuple[Finding, ...] = ()
    """About those that cannot have what they list."""


def addresses(asterisk: AsteriskSpec, spec: SipTrunkSpec) -> tuple[str, ...]:
    """The networks that a trunk wants to be known by: as listed, else its host where that is an address.

    A host name is never put into `match`: Asterisk would resolve it at every reload, blocking (facts). On a loopback
    address everything on the machine is at home: a trunk that registers is its port there, and over TCP has none.
    """
    if spec.match_networks:
        return tuple(spec.match_networks)
    if not spec.host_is_address:
        return ()
    address = ip_address(spec.host)
    if not spec.registers or not address.is_loopback:
        return (str(address),)
    if address.version == 4 and asterisk.protocol(spec.transport) == "udp":  # noqa: PLR2004 -- IPv4
        return (f"{address}:{spec.port or SIP_PORT}",)
    return ()


def identification(asterisk: AsteriskSpec, trunks: Iterable[tuple[Key, SipTrunkSpec]]) -> Identification:
    """Who has which networks.

    Args:
        asterisk: the site's.
        trunks: all of them, eldest first; those that have an address only by default come last all the same.
    """
    networks: dict[Key, tuple[str, ...]] = {}
    guests: dict[Key, tuple[Key, ...]] = {}
    findings: list[Finding] = []
    elders: list[tuple[Key, SipTrunkSpec, tuple[str, ...]]] = []
    for key, spec in sorted(trunks, key=lambda each: _by_default(each[1])):
        wanted = addresses(asterisk, spec)
        twin = next(((k, s) for k, s, theirs in elders if wanted and set(theirs) == set(wanted)), None)
        if twin and _settings(twin[1]) == _settings(spec):
            guests[twin[0]] = (*guests.get(twin[0], ()), key)
            continue
        clashes = {text: clash for text in wanted if (clash := _clash(text, elders)) is not None}
        if clashes and not _by_default(spec):
            findings.append(_finding(key, spec, wanted, clashes, twin))
        free = tuple(text for text in wanted if text not in clashes)
        if free and (spec.registers or not clashes):
            networks[key] = free
            elders.append((key, spec, free))
    return Identification(networks, guests, tuple(findings))


def contains(text: str, address: str) -> bool:
    """Whether an address without a port lies in a network of `addresses`, whatever its port."""
    network, _ = _place(text)
    one = ip_address(address)
    return one.version == network.version and one in network


def overlap(one: str, other: str) -> bool:
    """Whether two networks have an address in common."""
    (a, port), (b, other_port) = _place(one), _place(other)
    if port and other_port and port != other_port:
        return False
    return a.version == b.version and a.overlaps(b)


def _clash(text: str, elders: Iterable[tuple[Key, SipTrunkSpec, tuple[str, ...]]]) -> tuple[Key, str] | None:
    return next(((who, other) for who, _, theirs in elders for other in theirs if overlap(text, other)), None)


def _finding(
    key: Key,
    spec: SipTrunkSpec,
    wanted: tuple[str, ...],
    clashes: Mapping[str, tuple[Key, str]],
    twin: tuple[Key, SipTrunkSpec] | None,
) -> Finding:
    text, (who, other) = next(iter(clashes.items()))
    index = wanted.index(text)
    where = f"spec.matchNetworks[{index}]" if spec.match_networks else "spec.host"
    if twin:
        cure = f"the number called would decide, if both had the same {_SETTINGS}"
    else:
        cure = "list the very same networks in both, and the number called decides"
    message = f"{text} overlaps {other} of {who}: a call from there could be either trunk's; {cure}"
    if spec.registers:
        message += "; until then calls to this one are known by the line of its registration alone"
    return key, Problem(Reason.CONFLICT, message, where, partial=spec.registers)


def _by_default(spec: SipTrunkSpec) -> bool:
    """Whether the line of its registration would do."""
    return spec.registers and not spec.match_networks


def _settings(spec: SipTrunkSpec) -> tuple[object, ...]:
    """What an endpoint treats calls by."""
    return (
        spec.transport,
        spec.codecs,
        spec.dtmf_mode,
        spec.media_encryption,
        spec.inbound_number_from,
        spec.caller_id_policy.trust_inbound,
    )


@cache
def _place(text: str) -> tuple[Network, int]:
    address, colon, port = text.rpartition(":")
    if colon and address.count(".") == 3:  # noqa: PLR2004 -- an IPv4 address and a port
        return ip_network(address), int(port)
    return ip_network(text), 0
