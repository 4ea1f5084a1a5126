"""What must hold across a site: for each rule the manifests, what is found wrong, and who is served nevertheless."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from dialplane.plan.draft import Draft
from dialplane.plan.plan import Plan, Version
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.resources.pool_numbers import numbers_of
from dialplane.resources.problem import Problem, Reason
from tests.plan.office import manifest, snapshot

Manifest = dict[str, Any]
Secrets = Mapping[str, Mapping[str, str]]

PLANNER = Planner(load())


def at(hour: int) -> dict[str, str]:
    return {"creationTimestamp": f"2026-01-01T{hour:02}:00:00Z"}


def pbx(name: str = "pbx", created: int = 0, **spec: Any) -> Manifest:
    return manifest("Asterisk", name, spec, **at(created))


def phone(number: str, name: str | None = None, created: int = 1, **spec: Any) -> Manifest:
    own = {"number": number, "credentialsSecretRef": {"name": f"phone-{number}"}}
    return manifest("Extension", name or f"e{number}", own | spec, **at(created))


def trunk(name: str, host: str = "sip.example.com", created: int = 1, **spec: Any) -> Manifest:
    return manifest("SipTrunk", name, {"host": host} | spec, **at(created))


def hours(name: str, when_open: Any, when_closed: Any = None, created: int = 1) -> Manifest:
    spec = {"whenOpen": when_open, "whenClosed": when_closed or {"hangup": True}}
    return manifest("Schedule", name, spec, **at(created))


def account(number: str) -> dict[str, str]:
    return {"username": number, "password": f"password-{number}"}


PHONES = {f"phone-{number}": account(number) for number in ("101", "102", "103", "112")}
MATCHED = {"matchNetworks": ["192.0.2.0/24"]}
REGISTERING = {"registration": {}, "credentialsSecretRef": {"name": "carrier"}}
CARRIER = {"carrier": {"username": "ada", "password": "secret"}}
BOX = {"voicemail": {"pinSecretRef": {"name": "pins", "key": "pin"}}}
UDP = {"name": "udp", "protocol": "udp", "bind": "0.0.0.0:5060"}
TCP = {"name": "tcp", "protocol": "tcp", "bind": "0.0.0.0:5060"}
WSS = {"name": "wss", "protocol": "wss", "certificateSecretRef": {"name": "tls"}}
TLS_SECRET = {"tls": {"tls.crt": "-----BEGIN CERTIFICATE-----\nx\n", "tls.key": "-----BEGIN PRIVATE KEY-----\nx\n"}}
EMERGENCY = {"numbers": ["112"], "trunks": ["a", "b"]}

Found = tuple[str, Reason, str, bool]
"""Who has the problem, why, where, and whether it is partial."""


def out(who: str, reason: Reason, where: str) -> Found:
    return who, reason, where, False


def partly(who: str, reason: Reason, where: str) -> Found:
    return who, reason, where, True


@dataclass(frozen=True)
class Case:
    name: str
    manifests: Sequence[Manifest]
    found: Sequence[Found] = ()
    served: Sequence[str] = ()
    """Names of those that are rendered, besides `pbx`."""
    secrets: Secrets = field(default_factory=dict)


def _plan(case: Case) -> Plan:
    return PLANNER.plan(snapshot(case.manifests, {**PHONES, **CARRIER, **TLS_SECRET, **case.secrets}))


def _found(plan: Plan) -> list[Found]:
    return sorted((k.name, p.reason, p.field, p.partial) for k, found in plan.problems.items() for p in found)


def check(case: Case) -> None:
    plan = _plan(case)
    assert _found(plan) == sorted(case.found), plan.problems
    assert sorted(k.name for k in plan.versions if k.name != "pbx") == sorted(case.served)
    assert plan == _plan(Case(case.name, list(reversed(case.manifests)), secrets=case.secrets)), "the order decides"


def table(*cases: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[c.name.replace(" ", "-") for c in cases])


CREDENTIALS, PIN = "spec.credentialsSecretRef", "spec.voicemail.pinSecretRef"
MISSING, UNFIT = Reason.SECRET_MISSING, Reason.SECRET_INVALID


def _with_account(**keys: str) -> Secrets:
    return {"phone-101": keys}


@table(
    Case("the phone's own account", [pbx(), phone("101")], served=["e101"]),
    Case("no such Secret", [pbx(), phone("109"), phone("102")], [out("e109", MISSING, CREDENTIALS)], ["e102"]),
    Case("no password", [pbx(), phone("101")], [out("e101", MISSING, CREDENTIALS)], secrets=_with_account(username="101")),
    Case("nothing in the Secret", [pbx(), phone("101")], [out("e101", MISSING, CREDENTIALS)] * 2, secrets=_with_account()),
    Case("an empty password", [pbx(), phone("101")], [out("e101", UNFIT, CREDENTIALS)], secrets=_with_account(username="101", password="")),
    Case("a newline at the end", [pbx(), phone("101")], [out("e101", UNFIT, CREDENTIALS)], secrets=_with_account(username="101", password="x\n")),
    Case("a blank at the end", [pbx(), phone("101")], [out("e101", UNFIT, CREDENTIALS)], secrets=_with_account(username="101", password="x ")),
    Case("not UTF-8", [pbx(), phone("101")], [out("e101", UNFIT, CREDENTIALS)], secrets=_with_account(username="101", password="x\udcff")),
    Case("longer than a line", [pbx(), phone("101")], [out("e101", UNFIT, CREDENTIALS)], secrets=_with_account(username="101", password="x" * 7_990)),
    Case("as long as may be", [pbx(), phone("101")], served=["e101"], secrets=_with_account(username="101", password="x" * 7_900)),
    Case("another's account", [pbx(), phone("101")], [out("e101", UNFIT, CREDENTIALS)], secrets=_with_account(username="102", password="x")),
    Case(
        "a generated account that is still to come",
        [pbx(), manifest("Extension", "new", {"number": "101", "generateCredentials": True})],
        [out("new", MISSING, "spec.generateCredentials")],
    ),
    Case(
        "a generated account of the number before",
        [pbx(), manifest("Extension", "new", {"number": "101", "generateCredentials": True})],
        [out("new", UNFIT, "spec.generateCredentials")],
        secrets={"new-credentials": account("100")},
    ),
    Case("a PIN", [pbx(), phone("101", **BOX)], served=["e101"], secrets={"pins": {"pin": "4711"}}),
    Case("a PIN that is none", [pbx(), phone("101", **BOX)], [out("e101", UNFIT, PIN)], secrets={"pins": {"pin": "abcd"}}),
    Case("a PIN of three digits", [pbx(), phone("101", **BOX)], [out("e101", UNFIT, PIN)], secrets={"pins": {"pin": "471"}}),
    Case("no PIN", [pbx(), phone("101", **BOX)], [out("e101", MISSING, PIN)], secrets={"pins": {}}),
    Case(
        "a mailbox that is off keeps the rest served",
        [pbx(), phone("101", voicemail={"enabled": False})],
        served=["e101"],
    ),
    Case("a disabled trunk needs none", [pbx(), trunk("a", enabled=False, **REGISTERING)], secrets={"carrier": {}}),
    Case("a trunk without its account", [pbx(), trunk("a", **REGISTERING)], [out("a", MISSING, CREDENTIALS)], secrets={"carrier": {"username": "ada"}}),
    Case(
        "a certificate without its key takes all down with it",
        [pbx(transports=[UDP, WSS]), phone("101")],
        [out("pbx", MISSING, "spec.transports[1].certificateSecretRef"), out("e101", Reason.ASTERISK_MISSING, "")],
        secrets={"tls": {"tls.crt": TLS_SECRET["tls"]["tls.crt"]}},
    ),
    Case(
        "a certificate that is none",
        [pbx(transports=[UDP, WSS])],
        [out("pbx", Reason.SECRET_INVALID, "spec.transports[1].certificateSecretRef")],
        secrets={"tls": {**TLS_SECRET["tls"], "tls.crt": "garbage"}},
    ),
    Case("a certificate of many lines", [pbx(transports=[UDP, WSS])]),
)  # fmt: skip
def test_secrets(case: Case) -> None:
    check(case)


CONFLICT = Reason.CONFLICT


@table(
    Case("the eldest keeps the number", [pbx(), phone("101", "late", 3), phone("101", "early", 2)], [out("late", CONFLICT, "spec.number")], ["early"]),
    Case("of one age the first name keeps it", [pbx(), phone("101", "b"), phone("101", "a")], [out("b", CONFLICT, "spec.number")], ["a"]),
    Case("each younger one is told", [pbx(), *(phone("101", name) for name in "abc")], [out(name, CONFLICT, "spec.number") for name in "bc"], ["a"]),
    Case("a trunk may have no phone's number", [pbx(), trunk("101", created=2), phone("101")], [out("101", CONFLICT, "metadata.name")], ["e101"]),
    Case("nor a phone a trunk's name", [pbx(), trunk("101", created=1), phone("101", created=2)], [out("e101", CONFLICT, "spec.number")], ["101"]),
    Case("nobody has an emergency number", [pbx(emergency=EMERGENCY, created=9), phone("112"), trunk("a"), trunk("b")], [out("e112", CONFLICT, "spec.number")], ["a", "b"]),
    Case("one that is disabled holds none", [pbx(), trunk("101", enabled=False, created=1), phone("101", created=2)], served=["e101"]),
    Case("one that is invalid holds none", [pbx(), phone("101", "bad", 1, nat="maybe"), phone("101", created=2)], [out("bad", Reason.INVALID, "spec.nat")], ["e101"]),
    Case("one without its Secret holds none", [pbx(), phone("101", "bad", 1, credentialsSecretRef={"name": "none"}), phone("101", created=2)], [out("bad", MISSING, CREDENTIALS)], ["e101"]),
)  # fmt: skip
def test_numbers_and_ids(case: Case) -> None:
    check(case)


NETWORKS = "spec.matchNetworks[0]"


@table(
    Case("apart", [pbx(), trunk("a", **MATCHED), trunk("b", matchNetworks=["198.51.100.0/24"])], served=["a", "b"]),
    Case("the very same are shared", [pbx(), trunk("a", **MATCHED, created=2), trunk("b", **MATCHED)], served=["a", "b"]),
    Case("the same, and other settings", [pbx(), trunk("a", **MATCHED, created=2), trunk("b", **MATCHED, codecs=["g722"])], [out("a", CONFLICT, NETWORKS)], ["b"]),
    Case("the same, and other settings, with a line", [pbx(), trunk("a", **MATCHED, **REGISTERING, created=2), trunk("b", **MATCHED, codecs=["g722"])], [partly("a", CONFLICT, NETWORKS)], ["a", "b"]),
    Case("overlapping, with a line", [pbx(), trunk("a", **MATCHED), trunk("b", matchNetworks=["10.0.0.0/8", "192.0.2.7"], **REGISTERING)], [partly("b", CONFLICT, "spec.matchNetworks[1]")], ["a", "b"]),
    Case("a default yields without a word", [pbx(), trunk("a", "192.0.2.7", **REGISTERING), trunk("b", **MATCHED, created=2)], served=["a", "b"]),
    Case("one within the other", [pbx(), trunk("a", matchNetworks=["192.0.2.7"]), trunk("b", **MATCHED)], [out("b", CONFLICT, NETWORKS)], ["a"]),
    Case("around another", [pbx(), trunk("a", **MATCHED), trunk("b", matchNetworks=["10.0.0.0/8", "192.0.0.0/8"])], [out("b", CONFLICT, "spec.matchNetworks[1]")], ["a"]),
    Case("a host that is an address", [pbx(), trunk("a", **MATCHED), trunk("b", "192.0.2.7")], [out("b", CONFLICT, "spec.host")], ["a"]),
    Case("a host of the other family", [pbx(), trunk("a", **MATCHED), trunk("b", "2001:db8::1")], served=["a", "b"]),
    Case("IPv6", [pbx(), trunk("a", matchNetworks=["2001:db8::/32"]), trunk("b", "2001:db8::1")], [out("b", CONFLICT, "spec.host")], ["a"]),
    Case("whoever registers is known by the line", [pbx(), trunk("a", "192.0.2.7"), trunk("b", "192.0.2.7", **REGISTERING)], served=["a", "b"]),
    Case("who is out keeps no network", [pbx(), trunk("a", **MATCHED), trunk("b", matchNetworks=["192.0.2.7", "10.0.0.0/8"]), trunk("c", matchNetworks=["10.1.0.0/16"])], [out("b", CONFLICT, NETWORKS)], ["a", "c"]),
)  # fmt: skip
def test_networks(case: Case) -> None:
    check(case)


@table(
    Case("two accounts", [pbx(), trunk("a", **REGISTERING), trunk("b", **{**REGISTERING, "credentialsSecretRef": {"name": "phone-101"}})], served=["a", "b"]),
    Case("one account at two carriers", [pbx(), trunk("a", **REGISTERING), trunk("b", "sip.example.net", **REGISTERING)], served=["a", "b"]),
    Case("one account at two ports", [pbx(), trunk("a", **REGISTERING), trunk("b", port=5070, **REGISTERING)], served=["a", "b"]),
    Case("one account over udp and tcp", [pbx(transports=[UDP, TCP]), trunk("a", **REGISTERING), trunk("b", transport="tcp", **REGISTERING)], served=["a", "b"]),
    Case("twice the same", [pbx(), trunk("b", **REGISTERING), trunk("a", created=2, **REGISTERING)], [out("a", CONFLICT, CREDENTIALS)], ["b"]),
    Case("the same by the first transport's name", [pbx(), trunk("a", **REGISTERING), trunk("b", transport="udp", **REGISTERING)], [out("b", CONFLICT, CREDENTIALS)], ["a"]),
    Case("the same over two transports of one protocol", [pbx(transports=[UDP, {**UDP, "name": "udp2", "bind": "0.0.0.0:5070"}]), trunk("a", **REGISTERING), trunk("b", transport="udp2", **REGISTERING)], [out("b", CONFLICT, CREDENTIALS)], ["a"]),
    Case("one of them does not register", [pbx(), trunk("a", **REGISTERING), trunk("b", **{**REGISTERING, "registration": {"enabled": False}})], served=["a", "b"]),
)  # fmt: skip
def test_registrations(case: Case) -> None:
    check(case)


def _inbound(name: str, *routes: tuple[str, Any], network: int = 0, **spec: Any) -> Manifest:
    ways = [{"did": did, "to": to} for did, to in routes]
    return trunk(name, matchNetworks=[f"10.{network or ord(name)}.0.0/16"], inbound=ways, **spec)


ADA, BOB = {"extension": "101"}, {"extension": "102"}
PAIR = [pbx(), phone("101"), phone("102")]
BOTH = ["e101", "e102"]
DID = "spec.inbound[0].did"


@table(
    Case("two trunks to one place", [*PAIR, _inbound("a", ("1", ADA)), _inbound("b", ("1", ADA))], served=[*BOTH, "a", "b"]),
    Case("two trunks to two places", [*PAIR, _inbound("a", ("1", ADA), created=3), _inbound("b", ("1", BOB), created=2)], [out("a", CONFLICT, DID)], [*BOTH, "b"]),
    Case("the field of the second route", [*PAIR, _inbound("a", ("1", ADA)), _inbound("b", ("2", ADA), ("1", BOB))], [out("b", CONFLICT, "spec.inbound[1].did")], [*BOTH, "a"]),
    Case("each trunk has its own rest", [*PAIR, _inbound("a", ("*", ADA)), _inbound("b", ("*", BOB))], served=[*BOTH, "a", "b"]),
    Case("who is out keeps no number", [*PAIR, _inbound("a", ("1", ADA)), _inbound("b", ("2", ADA), ("1", BOB)), _inbound("c", ("2", BOB))], [out("b", CONFLICT, "spec.inbound[1].did")], [*BOTH, "a", "c"]),
)  # fmt: skip
def test_dids(case: Case) -> None:
    check(case)


BARE = {"name": "out", "protocol": "tls", "bind": "127.0.0.1:5062"}
OTHER = {"name": "other", "protocol": "tls", "bind": "127.0.0.1:5063"}
CA = {"caSecretRef": {"name": "ca"}}
CA_SECRET = {"ca": {"ca.crt": "-----BEGIN CERTIFICATE-----\nx\n"}}


def _trusting(transport: str, **others: Any) -> list[Manifest]:
    """Trunk `a` takes what the machine vouches for, `b`, the younger one, what it says; both over TLS."""
    transports = pbx(transports=[UDP, BARE, OTHER])
    return [transports, trunk("a", transport="out", created=1), trunk("b", transport=transport, created=2, **others)]


@table(
    Case("both by the machine's authorities", _trusting("out"), served=["a", "b"]),
    Case("one by its own", _trusting("out", tls=CA), [out("b", CONFLICT, "spec.tls")], ["a"], secrets=CA_SECRET),
    Case("one not at all", _trusting("out", tls={"verify": False}), [out("b", CONFLICT, "spec.tls")], ["a"]),
    Case("over another transport", _trusting("other", tls=CA), served=["a", "b"], secrets=CA_SECRET),
    Case("its own over udp", _trusting("udp", tls=CA), [out("b", Reason.INVALID, "spec.tls.caSecretRef")], ["a"], secrets=CA_SECRET),
    Case("no such Secret", _trusting("other", tls=CA), [out("b", Reason.SECRET_MISSING, "spec.tls.caSecretRef")], ["a"]),
    Case("no PEM", _trusting("other", tls=CA), [out("b", Reason.SECRET_INVALID, "spec.tls.caSecretRef")], ["a"], secrets={"ca": {"ca.crt": "x"}}),
    Case("a phone where no certificate is shown", [pbx(transports=[UDP, BARE]), phone("101", transport="out")], [out("e101", Reason.REFERENCE_MISSING, "spec.transport")]),
)  # fmt: skip
def test_trusted_certificates(case: Case) -> None:
    check(case)


def _listening(*binds: tuple[str, str | None]) -> list[Manifest]:
    tls = {"certificateSecretRef": {"name": "tls"}}
    return [
        pbx(transports=[
            {"name": f"t{i}", "protocol": protocol} | ({"bind": bind} if bind else {}) | (tls if protocol in {"tls", "wss"} else {})
            for i, (protocol, bind) in enumerate(binds)
        ])
    ]  # fmt: skip


CLASH = [out("pbx", Reason.INVALID, "spec.transports[1].bind")]


@table(
    Case("two layers at one port", _listening(("udp", "0.0.0.0:5060"), ("tcp", "0.0.0.0:5060"))),
    Case("two addresses at one port", _listening(("udp", "127.0.0.1:5060"), ("udp", "192.0.2.1:5060"))),
    Case("two ports", _listening(("udp", "0.0.0.0:5060"), ("udp", "0.0.0.0:5061"))),
    Case("IPv4 and IPv6", _listening(("udp", "0.0.0.0:5060"), ("udp", "[::]:5060"))),
    Case("wss listens elsewhere", _listening(("tcp", "0.0.0.0:5060"), ("wss", None))),
    Case("the default ports differ", _listening(("tcp", "192.0.2.1"), ("tls", "192.0.2.1"))),
    Case("the same", _listening(("udp", "127.0.0.1:5060"), ("udp", "127.0.0.1:5060")), CLASH),
    Case("one of them everywhere", _listening(("udp", "127.0.0.1:5060"), ("udp", "0.0.0.0:5060")), CLASH),
    Case("IPv6 everywhere", _listening(("udp", "[::1]:5060"), ("udp", "[::]")), CLASH),
    Case("the default port", _listening(("udp", "127.0.0.1"), ("udp", "127.0.0.1:5060")), CLASH),
    Case("tls is tcp", _listening(("tls", "127.0.0.1"), ("tcp", "127.0.0.1:5061")), CLASH),
)  # fmt: skip
def test_binds(case: Case) -> None:
    check(case)


NAMED = "spec.transport"
GONE = Reason.REFERENCE_MISSING


@table(
    Case("a phone's", [pbx(transports=[UDP, TCP]), phone("101", transport="tcp")], served=["e101"]),
    Case("one that is not there", [pbx(), phone("101", transport="tls"), trunk("a", transport="tls")], [out("e101", GONE, NAMED), out("a", GONE, NAMED)]),
    Case("a trunk over wss", [pbx(transports=[UDP, WSS]), trunk("a", transport="wss")], [out("a", Reason.INVALID, NAMED)]),
    Case("a browser", [pbx(transports=[UDP, WSS]), phone("101", webrtc=True)], served=["e101"]),
    Case("a browser over wss by name", [pbx(transports=[UDP, WSS]), phone("101", webrtc=True, transport="wss")], served=["e101"]),
    Case("a browser without wss", [pbx(), phone("101", webrtc=True)], [out("e101", GONE, "spec.webrtc")]),
    Case("a browser over udp", [pbx(transports=[UDP, WSS]), phone("101", webrtc=True, transport="udp")], [out("e101", Reason.INVALID, NAMED)]),
)  # fmt: skip
def test_transports(case: Case) -> None:
    check(case)


def _mails(**server: Any) -> dict[str, Any]:
    return {"mail": {"from": "pbx@example.com", "server": {"host": "mail.example.com", **server}}}


EMAIL = {"voicemail": BOX["voicemail"] | {"email": "ada@example.com"}}
OFF = {"voicemail": EMAIL["voicemail"] | {"enabled": False}}
PINS = {"pins": {"pin": "4711"}}
ACCOUNT = {"credentialsSecretRef": {"name": "mail"}}


@table(
    Case("a server", [pbx(voicemail=_mails()), phone("101", **EMAIL)], served=["e101"], secrets=PINS),
    Case("no server", [pbx(), phone("101", **EMAIL)], [partly("e101", GONE, "spec.voicemail.email")], ["e101"], PINS),
    Case("no server, and nobody to mail", [pbx(), phone("101", **OFF), phone("102", **BOX)], served=["e101", "e102"], secrets=PINS),
    Case("a server without its Secret", [pbx(voicemail=_mails(**ACCOUNT)), phone("101", **EMAIL)], [partly("pbx", MISSING, "spec.voicemail.mail.server.credentialsSecretRef")], ["e101"], PINS),
    Case("a server with a Secret of one key", [pbx(voicemail=_mails(**ACCOUNT)), phone("101", **EMAIL)], [partly("pbx", MISSING, "spec.voicemail.mail.server.credentialsSecretRef")], ["e101"], PINS | {"mail": {"username": "ada"}}),
)  # fmt: skip
def test_whoever_is_to_be_mailed_has_a_server_that_takes_it(case: Case) -> None:
    check(case)


TO = "spec.inbound[0].to"


def _to(to: Any, *others: Manifest) -> list[Manifest]:
    return [pbx(), phone("101"), *others, _inbound("a", ("1", to))]


def _goes_nowhere(field_name: str) -> list[Found]:
    return [partly("a", GONE, f"{TO}.{field_name}")]


SERVED = ["e101", "a"]


@table(
    Case("an extension", _to(ADA), served=SERVED),
    Case("no such extension", _to(BOB), _goes_nowhere("extension"), SERVED),
    Case("an extension that is out", _to({"extension": "109"}, phone("109")), [*_goes_nowhere("extension"), out("e109", MISSING, CREDENTIALS)], SERVED),
    Case("a mailbox that is off", _to({"voicemail": "101"}), _goes_nowhere("voicemail"), SERVED),
    Case("no such schedule", _to({"schedule": "day"}), _goes_nowhere("schedule"), SERVED),
    Case("a schedule", _to({"schedule": "day"}, hours("day", ADA)), served=[*SERVED, "day"]),
    Case("a missing voice bot", _to({"voiceBot": "bot"}), _goes_nowhere("voiceBot"), SERVED),
    Case("the end", _to({"hangup": True}), served=SERVED),
    Case("one member of a group", _to({"ringGroup": {"members": ["101", "102"]}}), _goes_nowhere("ringGroup.members[1]"), SERVED),
    Case("after a group", _to({"ringGroup": {"members": ["101"], "noAnswer": {"voicemail": "101"}}}), _goes_nowhere("ringGroup.noAnswer.voicemail"), SERVED),
    Case("both ways of a schedule", [pbx(), hours("day", BOB, {"voicemail": "102"})], [partly("day", GONE, "spec.whenOpen.extension"), partly("day", GONE, "spec.whenClosed.voicemail")], ["day"]),
)  # fmt: skip
def test_where_routes_lead(case: Case) -> None:
    check(case)


def _schedule(name: str) -> dict[str, str]:
    return {"schedule": name}


def modem(name: str, created: int = 1, **spec: Any) -> Manifest:
    return manifest("Dongle", name, spec, **at(created))


def message(name: str = "m", **spec: Any) -> Manifest:
    return manifest("SmsMessage", name, {"to": "0151", "text": "x"} | spec, **at(1))


IMEIS = [{"imei": imei} for imei in ("354000000000002", "354000000000010", "354000000000028")]
PORTS = {"audioPort": "/dev/ttyUSB1", "dataPort": "/dev/ttyUSB2"}
BOSS = manifest("Notifier", "boss", {"urlSecretRef": {"name": "boss", "key": "url"}})


def told(**only: Any) -> Manifest:
    return manifest(
        "Notifier", "boss", {"urlSecretRef": {"name": "boss", "key": "url"}, "events": ["sms.received"], "filter": only}
    )


URL = {"boss": {"url": "json://example.com"}}


@table(
    Case("both drivers at once", [pbx(), modem("a", **IMEIS[0]), modem("b", driver="chan_quectel", **IMEIS[1])], served=["a", "b"]),
    Case("one modem twice", [pbx(), modem("a", 2, **IMEIS[0]), modem("b", 1, **IMEIS[0])], [out("a", CONFLICT, "spec.imei")], ["b"]),
    Case("whatever its driver", [pbx(), modem("a", **IMEIS[0]), modem("b", driver="chan_quectel", **IMEIS[0])], [out("b", CONFLICT, "spec.imei")], ["a"]),
    Case("one card twice", [pbx(), modem("a", imsi="262000000000011"), modem("b", imsi="262000000000011", **IMEIS[0])], [out("b", CONFLICT, "spec.imsi")], ["a"]),
    Case("one port twice", [pbx(), modem("a", **PORTS), modem("b", audioPort="/dev/ttyUSB7", dataPort="/dev/ttyUSB2")], [out("b", CONFLICT, "spec.dataPort")], ["a"]),
    Case("one port for voice twice", [pbx(), modem("a", **PORTS), modem("b", audioPort="/dev/ttyUSB1", dataPort="/dev/ttyUSB7")], [out("b", CONFLICT, "spec.audioPort")], ["a"]),
    Case("one that is disabled holds none", [pbx(), modem("a", enabled=False, **IMEIS[0]), modem("b", **IMEIS[0])], served=["b"]),
    Case("a name that is cut", [pbx(), modem("a" * 30, **IMEIS[0]), modem("b" * 31, **IMEIS[1])], [out("b" * 31, Reason.INVALID, "metadata.name")], ["a" * 30]),
    Case("names of other sections", [pbx(), modem("general", **IMEIS[0]), modem("defaults", **IMEIS[1])], [out(n, Reason.INVALID, "metadata.name") for n in ("general", "defaults")]),
    Case("calls lead nowhere", [pbx(), modem("a", inbound={"to": BOB}, **IMEIS[0])], [partly("a", GONE, "spec.inbound.to.extension")], ["a"]),
    Case("calls lead to a number that no trunk takes", [pbx(), modem("a", inbound={"to": {"number": "0301"}}, **IMEIS[0])], [partly("a", GONE, "spec.inbound.to.number")], ["a"]),
    Case("calls lead to a phone", [pbx(), phone("101"), modem("a", inbound={"to": ADA}, **IMEIS[0])], served=["e101", "a"]),
    Case("nobody to tell", [pbx(), BOSS, modem("a", sms={"forwardTo": ["boss", "wife"]}, **IMEIS[0])], [partly("a", GONE, "spec.sms.forwardTo[1]")], ["a", "boss"], URL),
    Case("somebody without an address", [pbx(), BOSS, modem("a", sms={"forwardTo": ["boss"]}, **IMEIS[0])], [out("boss", MISSING, "spec.urlSecretRef"), partly("a", GONE, "spec.sms.forwardTo[0]")], ["a"], {"boss": {}}),
    Case("a Notifier that tells nothing", [pbx(), BOSS], [partly("boss", GONE, "spec.events")], ["boss"], URL),
    Case("a Notifier of a modem that is disabled", [pbx(), BOSS, modem("a", sms={"forwardTo": ["boss"]}, enabled=False, **IMEIS[0])], served=["boss"], secrets=URL),
    Case("a Notifier beside a modem that cannot be served", [pbx(), BOSS, modem("general", **IMEIS[0])], [out("general", Reason.INVALID, "metadata.name")], ["boss"], URL),
    Case("filters for what is not there", [pbx(), told(dongles=["a", "b"], trunks=["t"]), modem("a", enabled=False, **IMEIS[0])], [partly("boss", GONE, "spec.filter.dongles[1]"), partly("boss", GONE, "spec.filter.trunks[0]")], ["boss"], URL),
    Case("a message by a modem", [pbx(), modem("a", **IMEIS[0]), message(dongle="a")], served=["a", "m"]),
    Case("a message by a group", [pbx(), modem("a", group="g", **IMEIS[0]), message(dongleGroup="g")], served=["a", "m"]),
    Case("no such modem", [pbx(), modem("a", **IMEIS[0]), message(dongle="b")], [out("m", GONE, "spec.dongle")], ["a"]),
    Case("a modem that is out", [pbx(), modem("general", **IMEIS[0]), message(dongle="general")], [out("general", Reason.INVALID, "metadata.name"), out("m", GONE, "spec.dongle")]),
    Case("no such group", [pbx(), modem("a", group="h", **IMEIS[0]), message(dongleGroup="g")], [out("m", GONE, "spec.dongleGroup")], ["a"]),
    Case("a group of modems that are disabled", [pbx(), modem("a", group="g", enabled=False, **IMEIS[0]), message(dongleGroup="g")], [out("m", GONE, "spec.dongleGroup")]),
)  # fmt: skip
def test_modems_and_messages(case: Case) -> None:
    check(case)


def tenant(name: str, *numbers: str, created: int = 1, **spec: Any) -> Manifest:
    own = {
        "tenantId": name,
        "apiUrl": "https://voice.example.com/api",
        "tokenSecretRef": {"name": "infinity", "key": "token"},
        "extensionPool": {"numbers": list(numbers) or ["8001"]},
    }
    return manifest("InfinityTenant", name, own | spec, **at(created))


def campaign(name: str, of: str) -> Manifest:
    spec = {
        "tenant": of,
        "agents": [{"id": "ada", "callbackNumber": "+15550101"}],
        "destinations": {"inline": [{"number": "+15550111"}]},
    }
    return manifest("Campaign", name, spec, **at(1))


def bot_campaign(name: str, bot: str, of: str | None = None, **voice_bot: Any) -> Manifest:
    spec = {"voiceBot": {"name": bot, **voice_bot}, "destinations": {"inline": [{"number": "+15550111"}]}}
    return manifest("Campaign", name, spec | ({"tenant": of} if of else {}), **at(1))


def bot(name: str, **spec: Any) -> Manifest:
    own = {
        "realtime": {"provider": "openai", "secretRef": {"name": "openai", "key": "key"}, "instructions": "Ask."},
        "fallback": {"to": {"hangup": True}},
    }
    return manifest("VoiceBot", name, own | spec, **at(1))


def _numbers(index: int) -> str:
    return f"spec.extensionPool.numbers[{index}]"


WRONG = Reason.INVALID
INFINITY = {"infinity": {"token": "a-token", "callback": "x" * 16, "short": "x" * 15}}
CALLED_BACK = {"callback": {"secretRef": {"name": "infinity", "key": "callback"}}}
SHORT = {"callback": {"secretRef": {"name": "infinity", "key": "short"}}}


@table(
    Case("pools apart", [pbx(), tenant("a", "8001-8050"), tenant("b", "8051-8100", "7000")], served=["a", "b"], secrets=INFINITY),
    Case("numbers of more digits are others", [pbx(), tenant("a", "8001-8050"), tenant("b", "08001-08050", "80010")], served=["a", "b"], secrets=INFINITY),
    Case("one id twice", [pbx(), tenant("a", "81", created=2, tenantId="1"), tenant("b", "82", tenantId="1")], [out("a", CONFLICT, "spec.tenantId")], ["b"], INFINITY),
    Case("one number twice", [pbx(), tenant("a", "8001-8050"), tenant("b", "7000", "8050", created=2)], [out("b", CONFLICT, _numbers(1))], ["a"], INFINITY),
    Case("a range around another", [pbx(), tenant("a", "8001-8050"), tenant("b", "8000-8060", created=2)], [out("b", CONFLICT, _numbers(0))], ["a"], INFINITY),
    Case("a range within another", [pbx(), tenant("a", "8001-8050", created=2), tenant("b", "8000-8060")], [out("a", CONFLICT, _numbers(0))], ["b"], INFINITY),
    Case("each range that clashes is told", [pbx(), tenant("a", "8001-8050", "9000"), tenant("b", "8050-8051", "8500", "9000", created=2)], [out("b", CONFLICT, _numbers(0)), out("b", CONFLICT, _numbers(2))], ["a"], INFINITY),
    Case("who is out keeps no extension", [pbx(), tenant("a", "8001"), tenant("b", "8001", "8002", created=2), tenant("c", "8002", created=3)], [out("b", CONFLICT, _numbers(0))], ["a", "c"], INFINITY),
    Case("one that is disabled holds none", [pbx(), tenant("a", "8001", enabled=False, tenantId="1"), tenant("b", "8001", tenantId="1", created=2)], served=["b"], secrets=INFINITY),
    Case("a number twice in one pool", [pbx(), tenant("a", "8001-8050", "8040-8060")], [out("a", WRONG, _numbers(1))], secrets=INFINITY),
    Case("as many as may be", [pbx(), tenant("a", "00001-09999", "10000")], served=["a"], secrets=INFINITY),
    Case("one too many", [pbx(), tenant("a", "00000-09999", "10000")], [out("a", WRONG, "spec.extensionPool.numbers")], secrets=INFINITY),
    Case("no token", [pbx(), tenant("a")], [out("a", MISSING, "spec.tokenSecretRef")], secrets={"infinity": {}}),
    Case("callbacks that prove enough", [pbx(), tenant("a", **CALLED_BACK)], served=["a"], secrets=INFINITY),
    Case("callbacks that prove little", [pbx(), tenant("a", **SHORT)], [out("a", UNFIT, "spec.callback.secretRef")], secrets=INFINITY),
    Case("callbacks that prove nothing", [pbx(), tenant("a", **CALLED_BACK)], [out("a", MISSING, "spec.callback.secretRef")], secrets={"infinity": {"token": "x"}}),
    Case("a campaign of a tenant", [pbx(), tenant("a"), campaign("c", "a")], served=["a", "c"], secrets=INFINITY),
    Case("a campaign of nobody", [pbx(), tenant("a"), campaign("c", "b")], [out("c", GONE, "spec.tenant")], ["a"], INFINITY),
    Case("a campaign of a tenant that is out", [pbx(), tenant("a", "8001"), tenant("b", "8001", created=2), campaign("c", "b")], [out("b", CONFLICT, _numbers(0)), out("c", GONE, "spec.tenant")], ["a"], INFINITY),
)  # fmt: skip
def test_tenants_and_campaigns(case: Case) -> None:
    check(case)


ARI = pbx(ari={"credentialsSecretRef": {"name": "ari"}}, numbering={"countryCode": "49"})
SPEAKS = {**INFINITY, "ari": {"username": "bot", "password": "a-password"}, "openai": {"key": "a-key"}}
LINE = trunk("t", host="192.0.2.1", inbound=[{"did": "+4930100", "to": {"voiceBot": "b"}}, {"did": "+4930101", "to": {"hangup": True}}], outbound=[{"pattern": "_0Z.", "permission": "national"}])  # fmt: skip


@table(
    Case("a bot over the site's trunks", [ARI, LINE, bot("b"), bot_campaign("c", "b")], served=["b", "c", "t"], secrets=SPEAKS),
    Case("a bot that is not there", [ARI, LINE, bot("b"), bot_campaign("c", "d")], [out("c", GONE, "spec.voiceBot.name")], ["b", "t"], SPEAKS),
    Case("a bot that is disabled", [ARI, LINE, bot("b", enabled=False), bot_campaign("c", "b")], [out("c", GONE, "spec.voiceBot.name")], ["t"], SPEAKS),
    Case("no trunk for such calls", [ARI, LINE, bot("b"), bot_campaign("c", "b", permissions=["local"])], [out("c", GONE, "spec.voiceBot.permissions")], ["b", "t"], SPEAKS),
    Case("a bot of a tenant, its number as people write it", [ARI, LINE, tenant("a"), bot("b"), bot_campaign("c", "b", "a", callbackNumber="030100")], served=["a", "b", "c", "t"], secrets=SPEAKS),
    Case("a number that leads elsewhere", [ARI, LINE, tenant("a"), bot("b"), bot_campaign("c", "b", "a", callbackNumber="+4930101")], [out("c", GONE, "spec.voiceBot.callbackNumber")], ["a", "b", "t"], SPEAKS),
)  # fmt: skip
def test_campaigns_of_bots(case: Case) -> None:
    check(case)


def test_whose_extensions_they_are_is_said() -> None:
    both = [pbx(), tenant("a", "8001-8050"), tenant("b", "8000-8060", created=2)]
    (problem,) = _plan(Case("", both, secrets=INFINITY)).problems[Key("InfinityTenant", "b")]
    assert problem.message == "8001-8050 belongs to InfinityTenant/a; choose others"


ENDS = st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda r: f"{r[0]:02}-{r[0] + r[1]:02}")


@given(st.lists(st.lists(ENDS, min_size=1, max_size=3, unique=True), min_size=2, max_size=4))
def test_pools_clash_exactly_where_they_share_a_number(given_pools: list[list[str]]) -> None:
    wanted = [tenant(f"t{n}", *numbers, created=n) for n, numbers in enumerate(given_pools)]
    served, taken = [], set[str]()
    for each, numbers in zip(wanted, map(numbers_of, given_pools), strict=True):
        if len(set(numbers)) == len(numbers) and taken.isdisjoint(numbers):
            served.append(each["metadata"]["name"])
            taken.update(numbers)
    plan = _plan(Case("", [pbx(), *wanted], secrets=INFINITY))
    assert sorted(key.name for key in plan.versions) == ["pbx", *served]


def lift(name: str, telephone: str | None = "101", created: int = 2, **spec: Any) -> Manifest:
    own = {"location": f"Town hall, {name}"} | ({"emergencyExtension": telephone} if telephone else {})
    return manifest("ElevatorDevice", name, own | spec, **at(created))


TELEPHONE, TEST_NUMBER, TOKEN_REF = "spec.emergencyExtension", "spec.testCall.number", "spec.tokenSecretRef"
DEVICES = {"devices": {"a": "x" * 16, "short": "x" * 15}}
CALLS_BACK = {"callback": {"statusUrl": "https://backend.example.com"}}


def _token(key: str) -> dict[str, Any]:
    return {"tokenSecretRef": {"name": "devices", "key": key}}


def _signed(key: str) -> dict[str, Any]:
    return {"callback": CALLS_BACK["callback"] | {"secretRef": {"name": "devices", "key": key}}}


def _tested(number: str) -> dict[str, Any]:
    return {"testCall": {"number": number}}


@table(
    Case("a lift with all there is", [*PAIR, lift("a", operators=["102"], **_tested("770"), **_token("a"), **_signed("a"))], served=[*BOTH, "a"], secrets=DEVICES),
    Case("a lift without a telephone", [pbx(), lift("a", None)], served=["a"]),
    Case("two lifts without one", [pbx(), lift("a", None), lift("b", None)], served=["a", "b"]),
    Case("a telephone that is not there", [*PAIR, lift("a", "109")], [partly("a", GONE, TELEPHONE)], [*BOTH, "a"]),
    Case("a telephone without its Secret", [pbx(), phone("109"), lift("a", "109")], [out("e109", MISSING, CREDENTIALS), partly("a", GONE, TELEPHONE)], ["a"]),
    Case("the eldest keeps the telephone", [*PAIR, lift("a", created=3), lift("b", created=2)], [out("a", CONFLICT, TELEPHONE)], [*BOTH, "b"]),
    Case("one that is disabled holds none", [*PAIR, lift("a", enabled=False), lift("b", created=3)], served=[*BOTH, "b"]),
    Case("one without its token holds none", [*PAIR, lift("a", **_token("none")), lift("b", created=3)], [out("a", MISSING, TOKEN_REF)], [*BOTH, "b"], DEVICES),
    Case("a token that can be guessed", [pbx(), lift("a", None, **_token("short"))], [out("a", UNFIT, TOKEN_REF)], secrets=DEVICES),
    Case("signed callbacks", [pbx(), lift("a", None, **_signed("a")), lift("b", None, **CALLS_BACK)], served=["a", "b"], secrets=DEVICES),
    Case("callbacks that prove little", [pbx(), lift("a", None, **_signed("short"))], [out("a", UNFIT, "spec.callback.secretRef")], secrets=DEVICES),
    Case("lifts may share a test number", [*PAIR, lift("a", **_tested("770")), lift("b", "102", **_tested("770"))], served=[*BOTH, "a", "b"]),
    Case("a test number that somebody has", [*PAIR, lift("a", **_tested("102"))], [partly("a", CONFLICT, TEST_NUMBER)], [*BOTH, "a"]),
    Case("an emergency number is no test number", [pbx(emergency=EMERGENCY), phone("101"), trunk("a"), trunk("b"), lift("l", **_tested("112"))], [partly("l", Reason.INVALID, TEST_NUMBER)], ["e101", "a", "b", "l"]),
    Case("an operator that is not there", [*PAIR, lift("a", operators=["102", "109"])], [partly("a", GONE, "spec.operators[1]")], [*BOTH, "a"]),
)  # fmt: skip
def test_lifts(case: Case) -> None:
    check(case)


def test_of_two_lifts_with_one_telephone_the_other_is_named() -> None:
    (problem,) = _plan(Case("", [*PAIR, lift("a"), lift("b", created=3)])).problems[Key("ElevatorDevice", "b")]
    assert str(problem) == (
        "spec.emergencyExtension: '101' is the telephone of ElevatorDevice/a; name the Extension of this cabin"
    )


OPEN, CLOSED = "spec.whenOpen.schedule", "spec.whenClosed.schedule"
LOOP = Reason.INVALID


@table(
    Case("one after another", [pbx(), hours("a", _schedule("b")), hours("b", _schedule("c")), hours("c", {"hangup": True})], served=["a", "b", "c"]),
    Case("two ways to one", [pbx(), hours("a", _schedule("c"), _schedule("c")), hours("c", {"hangup": True})], served=["a", "c"]),
    Case("itself", [pbx(), hours("a", _schedule("a"))], [out("a", LOOP, OPEN)]),
    Case("itself when closed", [pbx(), hours("a", {"hangup": True}, _schedule("a"))], [out("a", LOOP, CLOSED)]),
    Case("over another", [pbx(), hours("a", _schedule("b")), hours("b", {"hangup": True}, _schedule("a"))], [out("a", LOOP, OPEN), out("b", LOOP, CLOSED)]),
    Case("one that leads into a loop stays, without that way", [pbx(), hours("a", _schedule("b")), hours("b", _schedule("b"))], [out("b", LOOP, OPEN), partly("a", GONE, OPEN)], ["a"]),
    Case("a trunk that leads into a loop too", [*_to(_schedule("b")), hours("b", _schedule("b"))], [out("b", LOOP, OPEN), *_goes_nowhere("schedule")], SERVED),
)  # fmt: skip
def test_schedule_loops(case: Case) -> None:
    check(case)


def _emergency_trunk(index: int) -> Found:
    return partly("pbx", GONE, f"spec.emergency.trunks[{index}]")


@table(
    Case("all there", [pbx(emergency=EMERGENCY), trunk("a"), trunk("b")], served=["a", "b"]),
    Case("one is not", [pbx(emergency=EMERGENCY), trunk("b")], [_emergency_trunk(0)], ["b"]),
    Case("one is disabled", [pbx(emergency=EMERGENCY), trunk("a"), trunk("b", enabled=False)], [_emergency_trunk(1)], ["a"]),
    Case("one is out", [pbx(emergency=EMERGENCY), trunk("a"), trunk("b", transport="none")], [_emergency_trunk(1), out("b", GONE, NAMED)], ["a"]),
    Case("none is there", [pbx(emergency=EMERGENCY)], [_emergency_trunk(0), _emergency_trunk(1)]),
)  # fmt: skip
def test_emergency_trunks(case: Case) -> None:
    check(case)


def test_whether_emergency_calls_still_work_is_said() -> None:
    def messages(*trunks: Manifest) -> list[str]:
        problems = _plan(Case("", [pbx(emergency=EMERGENCY), *trunks])).problems[Key("Asterisk", "pbx")]
        return [problem.message for problem in problems]

    assert messages(trunk("b")) == ["no SipTrunk 'a' is served; emergency calls use the others"]
    assert messages() == [f"no SipTrunk {name!r} is served; emergency calls fail" for name in "ab"]


OUTBOUND = {"outbound": [{"pattern": "_0Z.", "permission": "national"}]}
RINGING = [pbx(emergency={"numbers": ["112"], "trunks": ["out"]}), trunk("out", **OUTBOUND)]


def _forwarded(**forward: str) -> list[Manifest]:
    return [*RINGING, phone("101", permissions=["internal", "national"], forward=forward), phone("102")]


FORWARDED = ["out", "e101", "e102"]


@table(
    Case("a route takes it", [*RINGING, *_to({"number": "030123"})[1:]], served=["out", *SERVED]),
    Case("no route takes it", [*RINGING, *_to({"number": "123"})[1:]], _goes_nowhere("number"), ["out", *SERVED]),
    Case("an emergency number", [*RINGING, *_to({"number": "112"})[1:]], [partly("a", Reason.INVALID, f"{TO}.number")], ["out", *SERVED]),
    Case("its route's trunk is disabled", [pbx(), trunk("out", enabled=False, **OUTBOUND), *_to({"number": "030123"})[1:]], _goes_nowhere("number"), SERVED),
    Case("after a group", [*RINGING, *_to({"ringGroup": {"members": ["101"], "noAnswer": {"number": "5"}}})[1:]], _goes_nowhere("ringGroup.noAnswer.number"), ["out", *SERVED]),
    Case("from a schedule", [*RINGING, hours("day", {"number": "5"}, {"number": "112"})], [partly("day", GONE, "spec.whenOpen.number"), partly("day", Reason.INVALID, "spec.whenClosed.number")], ["out", "day"]),
    Case("forward inside", _forwarded(unconditional="102"), served=FORWARDED),
    Case("forward to a mailbox code", _forwarded(busy="*97"), served=FORWARDED),
    Case("forward outside", _forwarded(noAnswer="030123"), served=FORWARDED),
    Case("forward to nobody", _forwarded(busy="109"), [partly("e101", GONE, "spec.forward.busy")], FORWARDED),
    Case("forward to an emergency number", _forwarded(noAnswer="112"), [partly("e101", Reason.INVALID, "spec.forward.noAnswer")], FORWARDED),
    Case("forward outside without permission", [*RINGING, phone("101", forward={"busy": "030123"})], [partly("e101", GONE, "spec.forward.busy")], ["out", "e101"]),
    Case("forward inside without permission", [*RINGING, phone("102"), phone("101", permissions=["national"], forward={"busy": "102"})], [partly("e101", GONE, "spec.forward.busy")], FORWARDED),
)  # fmt: skip
def test_numbers_that_are_dialled_by_themselves(case: Case) -> None:
    check(case)


ALONE = Reason.ASTERISK_MISSING


@table(
    Case("none", [phone("101"), trunk("a")], [out("e101", ALONE, ""), out("a", ALONE, "")]),
    Case("nothing at all", []),
    Case("the eldest of two", [pbx("late", 2), pbx(created=1), phone("101")], [out("late", CONFLICT, "")], ["e101"]),
    Case("of one age the first name", [pbx(), pbx("other"), phone("101")], [out("pbx", CONFLICT, "")], ["other", "e101"]),
    Case("an invalid one does not count", [pbx("bad", 1, cdr="yes"), pbx(created=2), phone("101")], [out("bad", Reason.INVALID, "spec.cdr")], ["e101"]),
    Case("an invalid one alone", [pbx("bad", cdr="yes"), phone("101")], [out("bad", Reason.INVALID, "spec.cdr"), out("e101", ALONE, "")]),
    Case("one that is out", [*_listening(("udp", "[::]"), ("udp", "[::]")), phone("101")], [*CLASH, out("e101", ALONE, "")]),
    Case("its AMI account is missing", [pbx(ami={"credentialsSecretRef": {"name": "none"}}), phone("101")], [out("pbx", MISSING, "spec.ami.credentialsSecretRef"), out("e101", ALONE, "")]),
)  # fmt: skip
def test_which_asterisk_serves(case: Case) -> None:
    plan = _plan(case)
    check(case)
    assert (plan.pbx is None) == (not case.served)


def test_what_is_disabled_is_valid_and_not_served() -> None:
    plan = _plan(Case("", [pbx(), phone("101"), trunk("a", enabled=False)]))
    assert plan.disabled == {Key("SipTrunk", "a")}
    assert Key("SipTrunk", "a") not in plan.problems


def test_what_is_disabled_and_invalid_is_a_problem() -> None:
    plan = _plan(Case("", [pbx(), trunk("a", enabled=False, port="x")]))
    assert plan.disabled == frozenset()
    assert [p.field for p in plan.problems[Key("SipTrunk", "a")]] == ["spec.port"]


def _version(document: Manifest, **values: str) -> Version:
    return Version(parse(document), {"phone-101": {k: SecretStr(v) for k, v in values.items()}})


NEW, OLD = phone("101", displayName="New"), phone("101", displayName="Old")
ADA_KEY = Key("Extension", "e101")


def test_a_held_version_is_rendered_with_the_secrets_it_had() -> None:
    held = {ADA_KEY: _version(OLD, username="101", password="before")}
    plan = PLANNER.plan(snapshot([pbx(), NEW], PHONES), held)
    assert "password = before\n" in plan.files["pjsip_auth.conf"]
    assert '"Old" <101>' in plan.files["pjsip_endpoint.conf"]
    assert plan.versions[ADA_KEY].resource.spec == parse(OLD).spec


def test_of_what_was_refused_and_never_verified_nothing_is_rendered() -> None:
    plan = PLANNER.plan(snapshot([pbx(), NEW, phone("102")], PHONES), {ADA_KEY: None})
    assert sorted(k.name for k in plan.versions) == ["e102", "pbx"]
    assert ADA_KEY not in plan.problems


def _route(pattern: str, **spec: Any) -> Manifest:
    return {"pattern": pattern, "permission": "national"} | spec


def _ways(name: str, *routes: Manifest, **spec: Any) -> Manifest:
    return trunk(name, outbound=list(routes), **spec)


E164 = {"callerIdPolicy": {"format": "e164", "countryCode": "49"}}
NANP = {"callerIdPolicy": {"format": "e164", "countryCode": "1"}}
GUARDED = {"emergency": {"numbers": ["112", "911"], "trunks": ["a"]}}
PREFIXED = {"numbers": ["112"], "prefixes": ["9"], "trunks": ["a"]}


@table(
    Case("different digits may overlap", [pbx(), _ways("a", _route("_0X.", priority=1)), _ways("b", _route("_00X."))], served=["a", "b"]),
    Case("one pattern, two priorities", [pbx(), _ways("a", _route("_0X.", priority=1)), _ways("b", _route("_0X."))], served=["a", "b"]),
    Case("the same digits in two ways", [pbx(), _ways("a", _route("_0Z.", priority=1)), _ways("b", _route("_0[1-9]X."))], [partly("b", CONFLICT, "spec.outbound[0].pattern")], ["a", "b"]),
    Case("the same digits of one trunk", [pbx(), _ways("a", _route("_0Z."), _route("_0[1-9]X."))], served=["a"]),
    Case("a number that is an Extension's", [pbx(), phone("101"), _ways("a", _route("_0X."), _route("101"))], [partly("a", CONFLICT, "spec.outbound[1].pattern")], ["a", "e101"]),
    Case("the 17th trunk of a pattern", [pbx(), *(_ways(f"t{n:02}", _route("_0X.")) for n in range(17))], [partly("t16", CONFLICT, "spec.outbound[0].priority")], [f"t{n:02}" for n in range(17)]),
    Case("an emergency number that loses a digit", [pbx(), _ways("a", _route("_9X.", strip=1))], [partly("a", Reason.INVALID, "spec.outbound[0].strip")], ["a"]),
    Case("an emergency number that leaves whole", [pbx(), _ways("a", _route("_9X."))], served=["a"]),
    Case("an emergency number with a route of its own", [pbx(), _ways("a", _route("_91.", strip=1), _route("911"))], served=["a"]),
    Case("an emergency number whose own route cuts it", [pbx(), _ways("a", _route("_9X."), _route("911", strip=1))], [partly("a", Reason.INVALID, "spec.outbound[1].strip")], ["a"]),
    Case("an emergency number that is named", [pbx(**GUARDED), _ways("a", _route("_9X.", strip=1))], served=["a"]),
    Case("an emergency number with its prefix", [pbx(emergency={"numbers": ["911", "9911"], "trunks": ["a"]}), trunk("a")], [partly("pbx", Reason.INVALID, "spec.emergency.numbers[1]")], ["a"]),
    Case("what is behind a prefix is nobody's number", [pbx(emergency=PREFIXED), phone("9112"), trunk("a")], [out("e9112", CONFLICT, "spec.number")], ["a"], secrets={"phone-9112": account("9112")}),
    Case("a caller's number that can be written", [pbx(), trunk("a", callerId="030555", **E164), phone("101", callerId="+4930555101")], served=["a", "e101"]),
    Case("ten digits in North America", [pbx(), trunk("a", callerId="5555550100", **NANP)], served=["a"]),
    Case("a prefix that is not dialled here", [pbx(), trunk("a", callerId="004930555", **NANP)], [partly("a", Reason.INVALID, "spec.callerId")], ["a"]),
    Case("a country code by accident", [pbx(), trunk("a", callerId="49305550", **E164)], [partly("a", Reason.INVALID, "spec.callerId")], ["a"]),
    Case("a caller's number without a country", [pbx(), trunk("a", callerId="5550100", **NANP), phone("101", callerId="20")], [partly("a", Reason.INVALID, "spec.callerId"), partly("e101", Reason.INVALID, "spec.callerId")], ["a", "e101"]),
)  # fmt: skip
def test_outbound_routes_and_callers_numbers_do_what_they_say(case: Case) -> None:
    check(case)


def test_a_held_version_keeps_its_number_against_a_younger_one() -> None:
    held = {ADA_KEY: _version(OLD, username="101", password="before")}
    manifests = [pbx(), phone("102", "e101"), phone("101", "young", 5)]
    plan = PLANNER.plan(snapshot(manifests, PHONES), held)
    assert _found(plan) == [out("young", CONFLICT, "spec.number")]


def test_a_version_held_of_what_is_gone_is_forgotten() -> None:
    held = {ADA_KEY: _version(OLD, username="101", password="before")}
    assert PLANNER.plan(snapshot([pbx()], PHONES), held) == PLANNER.plan(snapshot([pbx()], PHONES))


def test_what_is_noted_twice_is_said_once_and_partial_findings_take_nobody_out() -> None:
    resource = parse(phone("101"))
    draft = Draft({resource.key: resource}, {})
    partial = (resource.key, Problem(Reason.INVALID, "so", "spec", partial=True))
    assert draft.note([partial, partial]) is False
    assert draft.note([partial]) is False
    assert draft.problems == {resource.key: [partial[1]]}
    assert draft.note([(resource.key, Problem(Reason.INVALID, "so", "spec"))]) is True
    assert draft.resources == {}


def test_whoever_is_out_only_while_rendering_is_missed_by_others() -> None:
    long = "u" * 7_900  # fits as a value, not within a URI
    manifests = [pbx(emergency={"numbers": ["112"], "trunks": ["a"]}), trunk("a", **REGISTERING)]
    plan = PLANNER.plan(snapshot(manifests, {"carrier": {"username": long, "password": "x"}}))
    assert _found(plan) == [out("a", Reason.INVALID, "spec"), _emergency_trunk(0)]
