"""Two resources that want the same thing. The eldest keeps it; every younger one is told who has it."""

from collections.abc import Hashable, Iterable, Iterator
from ipaddress import ip_address

from dialplane.plan.draft import Draft, Finding
from dialplane.plan.identification import identification
from dialplane.plan.pjsip.trunk import registration_uris
from dialplane.resources.destination import Destination
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.voice_bot import VoiceBotSpec


def duplicate_numbers(draft: Draft) -> Iterator[Finding]:
    """A PJSIP id is one extension's number or one trunk's name; an emergency number is nobody's, a bot's its own."""
    emergency = draft.asterisk.emergency.dialled if draft.asterisk and draft.asterisk.emergency else ()
    taken: dict[Hashable, str] = dict.fromkeys(emergency, f"{draft.asterisk_key} as an emergency number")
    bots = [(key, spec.number, "spec.number") for key, spec in draft.of(VoiceBotSpec) if spec.number is not None]
    wanted = [s.number for _, s in draft.of(ExtensionSpec)] + [k.name for k, _ in draft.of(SipTrunkSpec)]
    wanted += [number for _, number, _ in bots]
    if len({*taken, *wanted}) == len(taken) + len(wanted):
        return  # nearly always; what follows takes long on a big site
    claims: list[tuple[Key, str, str]] = [(k, s.number, "spec.number") for k, s in draft.of(ExtensionSpec)]
    claims += [(k, k.name, "metadata.name") for k, _ in draft.of(SipTrunkSpec)] + bots
    order = {key: index for index, key in enumerate(draft.resources)}
    claims.sort(key=lambda claim: order[claim[0]])
    yield from claimed(taken, claims, "{what!r} is taken by {who}; choose another")


def duplicate_names(draft: Draft) -> Iterator[Finding]:
    """Trunks, schedules and bots are extensions of the dialplan, whose names Asterisk compares without dashes."""
    for kind in (SipTrunkSpec, ScheduleSpec, VoiceBotSpec):
        taken: dict[Hashable, str] = {}
        claims = [(key, key.name.replace("-", ""), "metadata.name") for key, _ in draft.of(kind)]
        yield from claimed(taken, claims, "Asterisk, which ignores dashes, cannot tell it from {who}; rename one")


def duplicate_networks(draft: Draft) -> Iterator[Finding]:
    """A caller's address must tell which trunk it is, or the number that he calls."""
    if draft.asterisk is not None:
        yield from identification(draft.asterisk, draft.of(SipTrunkSpec)).findings


def duplicate_registrations(draft: Draft) -> Iterator[Finding]:
    """Asterisk's registration events name only the account and the server, so that the pair must be one trunk's."""
    if draft.asterisk is None:
        return
    claims: list[tuple[Key, Hashable, str]] = []
    for key, spec in draft.of(SipTrunkSpec):
        if spec.registers and spec.credentials_secret_ref:
            user = draft.secrets[key].get(spec.credentials_secret_ref.name, {}).get("username")
            if user is not None:  # else it is out already, or its Secret is expected
                uris = registration_uris(draft.asterisk, spec, user.get_secret_value())
                claims.append((key, uris, "spec.credentialsSecretRef"))
    yield from claimed({}, claims, "the same account at the same carrier is registered by {who}")


def duplicate_dids(draft: Draft) -> Iterator[Finding]:
    """A number may come in over two trunks, but must lead to one place."""
    known: dict[str, tuple[Key, Destination]] = {}
    for key, spec in draft.of(SipTrunkSpec):
        routes = {route.did: (key, route.to) for route in spec.inbound if route.did != "*"}
        clash = next((did for did, (_, to) in routes.items() if did in known and known[did][1] != to), None)
        if clash is None:
            known = routes | known
        else:
            index = [route.did for route in spec.inbound].index(clash)
            message = f"{clash} goes elsewhere in {known[clash][0]}; a number leads to one place"
            yield key, Problem(Reason.CONFLICT, message, f"spec.inbound[{index}].did")


def trusted_certificates(draft: Draft) -> Iterator[Finding]:
    """Asterisk verifies by transport: trunks that share one take the same certificates."""
    if draft.asterisk is None:
        return
    known: dict[str, tuple[Key, tuple[bool, str]]] = {}
    for key, spec in draft.of(SipTrunkSpec):
        transport = draft.asterisk.transport(spec.transport)
        wanted = spec.tls.verify, spec.tls.ca_secret_ref.name if spec.tls.ca_secret_ref else ""
        elder, agreed = known.setdefault(transport.name, (key, wanted))
        if transport.protocol == "tls" and agreed != wanted:
            message = (
                f"{elder} takes other certificates over transport {transport.name!r}, by which Asterisk verifies: "
                f"add a tls transport to {draft.asterisk_key} with another port, and name it in one of the two"
            )
            yield key, Problem(Reason.CONFLICT, message, "spec.tls")


def overlapping_binds(draft: Draft) -> Iterator[Finding]:
    """Two transports cannot listen at one place."""
    if draft.asterisk is None or draft.asterisk_key is None:
        return
    known: list[tuple[str, str, str, int]] = []
    for index, transport in enumerate(draft.asterisk.transports):
        if transport.bind is None:
            continue
        layer = "udp" if transport.protocol == "udp" else "tcp"
        address, port = transport.listens
        for name, other_layer, other_address, other_port in known:
            if (layer, port) == (other_layer, other_port) and _same_place(address, other_address):
                message = f"listens at the same {layer} port {port} as transport {name!r}"
                yield (
                    draft.asterisk_key,
                    Problem(Reason.INVALID, message, f"spec.transports[{index}].bind"),
                )
        known.append((transport.name, layer, address, port))


def claimed(taken: dict[Hashable, str], claims: Iterable[tuple[Key, Hashable, str]], message: str) -> Iterator[Finding]:
    """Whoever claims what is in `taken`, or was claimed before, with the message about it: `{what}` and `{who}`."""
    for key, what, field in claims:
        if what in taken:
            yield key, Problem(Reason.CONFLICT, message.format(what=what, who=taken[what]), field)
        else:
            taken[what] = str(key)


def _same_place(one: str, other: str) -> bool:
    a, b = ip_address(one), ip_address(other)
    return a == b or (a.version == b.version and (a.is_unspecified or b.is_unspecified))
