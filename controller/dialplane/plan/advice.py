"""Doubtful choices in manifests: notices of `validate`, which keep nothing from being served."""

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import combinations
from typing import Final

from dialplane.plan.bot_advice import doubts
from dialplane.plan.dialplan.outbound import outbound_routes
from dialplane.plan.dialplan.patterns import matches, overlap, precedence, same_digits
from dialplane.plan.identification import Network
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.elevator_device import ElevatorDeviceSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import OutboundRoute, SipTrunkSpec
from dialplane.resources.snapshot import Snapshot
from dialplane.resources.voice_bot import VoiceBotSpec

Advice = tuple[Key, str, str]
"""The resource, the field, and what to think of."""

_UNCHOSEN: Final = OutboundRoute.model_fields["priority"].default
_LONGEST_PREFIX: Final = 3
_PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7")


def advice(snapshot: Snapshot) -> Iterator[Advice]:
    """Yield a notice for each doubtful choice."""
    yield from _long_calls(snapshot)
    yield from _silent_telephones(snapshot)
    yield from _bots(snapshot)
    trunks = [(resource.key, spec) for resource, spec in snapshot.of(SipTrunkSpec) if spec.enabled]
    yield from _priorities(trunks)
    for resource, spec in snapshot.of(AsteriskSpec):
        yield from _prefixes(resource.key, spec, trunks)
    yield from _networks_of_phones(snapshot, trunks)


def _long_calls(snapshot: Snapshot) -> Iterator[Advice]:
    for resource, spec in snapshot.of(InfinityTenantSpec):
        if spec.callback is None:
            seconds = spec.call_timeout_seconds + spec.longest_call_seconds
            message = (
                "without it nobody tells when a call ends: each one, unanswered or not, holds extension and agent "
                f"for {seconds} seconds (callTimeoutSeconds and maxCallSeconds)"
            )
            yield resource.key, "spec.callback", message


def _silent_telephones(snapshot: Snapshot) -> Iterator[Advice]:
    message = (
        "without it nobody notices a telephone that is broken: let it call a number by itself every three days, as EN "
        "81-28 asks"
    )
    for resource, spec in snapshot.of(ElevatorDeviceSpec):
        if spec.emergency_extension is not None and spec.test_call is None:
            yield resource.key, "spec.testCall", message


def _bots(snapshot: Snapshot) -> Iterator[Advice]:
    for resource, spec in snapshot.of(VoiceBotSpec):
        for field, message in doubts(spec):
            yield resource.key, field, message


def _networks_of_phones(snapshot: Snapshot, trunks: list[tuple[Key, SipTrunkSpec]]) -> Iterator[Advice]:
    """Networks of a trunk that phones are in: what comes from there is the trunk's, and no phone can register."""
    homes = {
        network: f"allowedNetworks of {resource.key}"
        for resource, spec in snapshot.of(ExtensionSpec)
        for network in spec.allowed_networks
    }
    homes |= {
        network: f"localNetworks of transport {transport.name}"
        for _, spec in snapshot.of(AsteriskSpec)
        for transport in spec.transports
        for network in transport.local_networks
    }
    homes |= dict.fromkeys(_PRIVATE, "a whole private range")
    phones = [(ip_network(network), whose) for network, whose in homes.items()]
    for key, spec in trunks:
        for index, text in enumerate(spec.match_networks):
            network = ip_network(text)
            home = next((whose for phone, whose in phones if _holds(network, phone)), None)
            if home is not None:
                message = (
                    f"{text} holds {home}: what comes from there is the carrier's, and a phone there cannot register; "
                    "list the carrier's own addresses"
                )
                yield key, f"spec.matchNetworks[{index}]", message


def _holds(network: Network, phone: Network) -> bool:
    return network.version == phone.version and phone.subnet_of(network)  # type: ignore[arg-type]


def _priorities(trunks: list[tuple[Key, SipTrunkSpec]]) -> Iterator[Advice]:
    """Priorities that somebody chose, and that Asterisk does not look at: it takes a route by its pattern first."""
    chosen = {pattern: ways[0] for pattern, ways in outbound_routes(trunks).items() if ways[0][1].priority != _UNCHOSEN}
    for taken, left in combinations(sorted(chosen, key=precedence), 2):
        (key, route), (rival, lower) = chosen[taken], chosen[left]
        if key != rival and lower.priority < route.priority and overlap(taken, left) and not same_digits(taken, left):
            message = (
                f"priority {lower.priority} of {left} at {rival} does not count against it: of different patterns "
                f"that match a number Asterisk takes the one that says more, here {taken}; give both trunks equal ones"
            )
            yield key, _field(trunks, key, route, "priority"), message


def _prefixes(pbx: Key, spec: AsteriskSpec, trunks: list[tuple[Key, SipTrunkSpec]]) -> Iterator[Advice]:
    """Emergency numbers behind the digit for an outside line, which only a route takes off."""
    emergency = spec.emergency
    if emergency is None:
        return
    for key, trunk in trunks:
        for route in trunk.outbound:
            prefix = route.pattern.removeprefix("_")[: route.strip]
            if not prefix.isdecimal() or len(prefix) > _LONGEST_PREFIX or route.prepend:
                continue
            number = next((n for n in emergency.numbers if matches(route.pattern, prefix + n)), None)
            if number is not None and prefix + number not in emergency.dialled:
                message = (
                    f"{prefix}{number} leaves as {number}, but as an ordinary call: by this trunk alone, and only with "
                    f"its permission; add {prefix} to spec.emergency.prefixes of {pbx}"
                )
                yield key, _field(trunks, key, route, "strip"), message


def _field(trunks: list[tuple[Key, SipTrunkSpec]], key: Key, route: OutboundRoute, name: str) -> str:
    return f"spec.outbound[{dict(trunks)[key].outbound.index(route)}].{name}"
