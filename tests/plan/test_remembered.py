"""What the planner remembers from one plan to the next shows in nothing but the time it takes."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from jinja2 import UndefinedError
from pydantic import SecretStr

from dialplane.plan import checking
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.plan import Plan, Version
from dialplane.plan.planner import Planner
from dialplane.plan.templates import Templates
from dialplane.reconcile.template_dir import load, shipped
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.references import secret_refs
from dialplane.resources.snapshot import Snapshot
from tests.plan.modems import MODEMS
from tests.plan.office import manifest, snapshot
from tests.plan.rich import ASTERISK, CARRIER, DESK, MANIFESTS, SECRETS, rich
from tests.properties import tries
from tests.resources.examples import MINIMAL

TEMPLATES = load()
RETAINED = "[dp-old_00000000]\nexten => s,1,Return()\n\n"
LONG = "u" * 7_900
"""Fits as a value, and not within an address: found only while rendering."""

PHONE = {"number": "101", "credentialsSecretRef": {"name": "desk"}}
BOX = {"pinSecretRef": {"name": "desk", "key": "pin"}}
ALL = ["internal", "local", "national", "international"]
CAMPAIGN = MINIMAL["Campaign"]
SPECS: Mapping[str, list[dict[str, Any]]] = {
    "Asterisk": [
        ASTERISK,
        ASTERISK | {"codecs": ["ulaw"]},
        ASTERISK | {"emergency": {"numbers": ["102", "112"], "trunks": ["carrier", "nowhere"]}},
        ASTERISK | {"transports": [{"name": "udp", "protocol": "udp", "bind": "0.0.0.0:5060"}]},
        ASTERISK | {"transports": [{"name": n, "protocol": "udp", "bind": "192.0.2.1:5060"} for n in ("a", "b")]},
        ASTERISK | {"ami": {"credentialsSecretRef": {"name": "ami"}}},
        {"codecs": "none"},
    ],
    "Extension": [
        DESK,
        PHONE,
        PHONE | {"displayName": "Ada"},
        PHONE | {"number": "102", "credentialsSecretRef": {"name": "other"}},
        PHONE | {"number": "102", "permissions": ALL, "forward": {"busy": "103", "noAnswer": "030123456"}},
        PHONE | {"voicemail": BOX, "forward": {"unconditional": "102"}},
        PHONE | {"voicemail": BOX | {"enabled": False}},
        PHONE | {"transport": "tcp", "permissions": []},
        {"number": "103", "generateCredentials": True, "record": "always"},
        {"number": "one"},
    ],
    "SipTrunk": [
        CARRIER,
        CARRIER | {"enabled": False},
        CARRIER | {"inbound": [{"did": "4930555", "to": {"voicemail": "101"}}, {"did": "*", "to": {"schedule": "office"}}]},
        CARRIER | {"inbound": [{"did": "4930555", "to": {"ringGroup": {"members": ["101", "102"]}}}]},
        CARRIER | {"inbound": [], "outbound": [{"pattern": "_0Z."}]},
        {"host": "192.0.2.7", "matchNetworks": ["198.51.100.0/25"]},
        {"host": "192.0.2.7"},
        {"host": "no host"},
    ],
    "Dongle": [
        *(one["spec"] for one in MODEMS if one["kind"] == "Dongle"),
        {"imei": "354000000000119", "rxGain": 1},
        {"imei": "354000000000119", "driver": "chan_quectel"},
        {"imei": "354000000000226", "group": "all", "enabled": False},
        {"imei": "354000000000226", "inbound": {"to": {"schedule": "office"}}, "sms": {"forwardTo": ["boss", "nobody"]}},
        {"audioPort": "/dev/ttyUSB1", "dataPort": "/dev/ttyUSB2", "inbound": {"to": {"number": "030123456"}}},
        {"imei": "354"},
    ],
    "Notifier": [{"urlSecretRef": {"name": "boss", "key": key}} for key in ("url", "none")],
    "SmsMessage": [
        {"dongle": "gsm-1", "to": "0151", "text": "x"},
        {"dongle": "nowhere", "to": "0151", "text": "x"},
        {"dongleGroup": "all", "to": "0151", "text": "y"},
        {"to": "0151", "text": "z"},
    ],
    "Campaign": [
        CAMPAIGN | {"destinations": {"configMapRef": {"name": "people", "key": "list"}}},
        CAMPAIGN | {"doNotCall": {"configMapRef": {"name": "never", "key": "list"}}},
        CAMPAIGN,
    ],
    "ElevatorDevice": [
        {"location": "Town hall", "emergencyExtension": "101"},
        {"location": "Station", "emergencyExtension": "101", "operators": ["102", "103"]},
        {"location": "Station", "emergencyExtension": "103", "testCall": {"number": "102"}, "enabled": False},
        {"location": "Station", "emergencyExtension": "103", "tokenSecretRef": {"name": "other", "key": "pin"}},
        {"location": "Station", "testCall": {"number": "770"}},
    ],
    "Schedule": [
        {"whenOpen": {"extension": "101"}, "whenClosed": {"number": "030123456"}},
        {"whenOpen": {"schedule": "night"}, "whenClosed": {"hangup": True}},
        {"whenOpen": {"schedule": "office"}, "whenClosed": {"ringGroup": {"members": ["102"]}}},
    ],
}  # fmt: skip
NAMES: Mapping[str, list[str]] = {
    "Asterisk": ["pbx", "pbx", "pbx", "second"],
    "Extension": ["desk", "e1", "e2", "e3", "plain"],
    "SipTrunk": ["carrier", "carrier-b", "102"],
    "Schedule": ["office", "night"],
    "Dongle": ["gsm-1", "gsm-2", "gsm-4", "defaults"],
    "Notifier": ["boss"],
    "SmsMessage": ["hello", "m1", "m2"],
    "Campaign": ["spring", "autumn"],
    "ElevatorDevice": ["lift-1", "lift-2"],
}
VALUES = {
    "username": ["101", "102", "103", "account", LONG, "a@b"],
    "password": ["one", "two", "", "a\nb", " blank"],
    "pin": ["4711", "1234", "x"],
    "tls.crt": [SECRETS["tls"]["tls.crt"], "-----BEGIN CERTIFICATE-----\nother\n", "none"],
    "tls.key": [SECRETS["tls"]["tls.key"]],
    "url": ["json://a.example.com", "two\nlines"],
}
SECRET_NAMES = [*SECRETS, "other", "ami", "e1-credentials"]


class Histories(RuleBasedStateMachine):
    """A site that changes in every way it can, planned after each change by one planner, and by a new one."""

    def __init__(self) -> None:
        super().__init__()
        self.planner = Planner(TEMPLATES)
        self.resources: dict[Key, Resource] = dict(rich().resources)
        self.secrets: dict[str, Mapping[str, SecretStr]] = dict(rich().secrets)
        self.lists: dict[str, Mapping[str, str]] = {}
        self.held: dict[Key, Version | None] = {}
        self.retained = ""
        self.namespace = "default"
        self.plan = Plan()

    @rule(data=st.data(), kind=st.sampled_from(sorted(SPECS)), age=st.sampled_from(["", "2030-01-01T00:00:00Z"]))
    def apply(self, data: st.DataObject, kind: str, age: str) -> None:
        name, spec = data.draw(st.sampled_from(NAMES[kind])), data.draw(st.sampled_from(SPECS[kind]))
        made = parse(manifest(kind, name, spec, creationTimestamp=age))
        self.resources[made.key] = made

    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        """The same manifest, as a new object, and of another generation."""
        if self.resources:
            key = data.draw(st.sampled_from(sorted(self.resources)))
            self.resources[key] = copy.deepcopy(self.resources[key])

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.resources:
            del self.resources[data.draw(st.sampled_from(sorted(self.resources)))]

    @rule(name=st.sampled_from(SECRET_NAMES), key=st.sampled_from(sorted(VALUES)), data=st.data())
    def keep(self, name: str, key: str, data: st.DataObject) -> None:
        value = SecretStr(data.draw(st.sampled_from(VALUES[key])))
        self.secrets[name] = {**self.secrets.get(name, {}), key: value}

    @rule(name=st.sampled_from(SECRET_NAMES))
    def lose(self, name: str) -> None:
        self.secrets.pop(name, None)

    @rule(name=st.sampled_from(["people", "never"]), key=st.sampled_from(["list", "other"]), value=st.text(max_size=1))
    def write(self, name: str, key: str, value: str) -> None:
        self.lists[name] = {**self.lists.get(name, {}), key: value}

    @rule(name=st.sampled_from(["people", "never"]))
    def tear_up(self, name: str) -> None:
        self.lists.pop(name, None)

    @rule()
    def mend(self) -> None:
        """Everything as it was at first, but for what was added."""
        self.resources |= rich().resources
        self.secrets |= rich().secrets

    @rule(data=st.data(), served=st.booleans())
    def refuse(self, data: st.DataObject, *, served: bool) -> None:
        """Asterisk refuses a version: the one planned last goes on, or none."""
        if self.resources:
            key = data.draw(st.sampled_from(sorted(self.resources)))
            self.held[key] = self.plan.versions.get(key) if served else None

    @rule()
    def reconsider(self) -> None:
        self.held = {}

    @rule(text=st.sampled_from(["", RETAINED]))
    def retain(self, text: str) -> None:
        self.retained = text

    @rule(namespace=st.sampled_from(["default", "other"]))
    def move(self, namespace: str) -> None:
        self.namespace = namespace

    @rule(shuffle=st.randoms(use_true_random=False))
    def shuffle(self, shuffle: Any) -> None:
        keys, names = list(self.resources), list(self.secrets)
        shuffle.shuffle(keys)
        shuffle.shuffle(names)
        self.resources = {key: self.resources[key] for key in keys}
        self.secrets = {name: self.secrets[name] for name in names}

    @invariant()
    def the_plan_is_the_one_of_a_new_planner(self) -> None:
        site = Snapshot(self.namespace, dict(self.resources), dict(self.secrets), dict(self.lists))
        before, self.plan = self.plan, self.planner.plan(site, dict(self.held), self.retained)
        assert self.plan == Planner(TEMPLATES).plan(site, dict(self.held), self.retained)
        was = before.objects.readable()
        assert [n for n, o in self.plan.objects.readable().items() if was.get(n) == o and was[n] is not o] == []


TestAnyHistory = Histories.TestCase
TestAnyHistory.settings = settings(
    max_examples=tries(10),
    stateful_step_count=20,
    deadline=None,  # a plan takes what the machine gives it
    suppress_health_check=[HealthCheck.too_slow],
)


def _changed(index: int, **spec: Any) -> Snapshot:
    manifests = copy.deepcopy(MANIFESTS)
    manifests[index]["spec"].update(spec)
    return snapshot(manifests, SECRETS)


def _same_objects(before: Plan, now: Plan) -> set[str]:
    """The names of the objects that are others now."""
    was = before.objects.readable()
    return {name for name, item in now.objects.readable().items() if was.get(name) is not item}


def _read_again(site: Snapshot) -> Snapshot:
    return Snapshot(site.namespace, copy.deepcopy(dict(site.resources)), copy.deepcopy(dict(site.secrets)))


@pytest.mark.parametrize("read", [lambda site: site, _read_again])
def test_an_unchanged_site_gives_the_very_same_objects(read: Callable[[Snapshot], Snapshot]) -> None:
    planner, site = Planner(TEMPLATES), rich()
    before = planner.plan(site)
    now = planner.plan(read(site))
    assert now == before
    assert _same_objects(before, now) == set()


def test_after_a_change_only_what_changed_is_another_object() -> None:
    planner = Planner(TEMPLATES)
    before = planner.plan(rich())
    now = planner.plan(_changed(1, displayName="Ada"))
    assert _same_objects(before, now) == {"endpoint/101", "mailbox/101"}


def _messages(count: int) -> list[dict[str, Any]]:
    return [manifest("SmsMessage", f"m{n}", {"dongle": "gsm-1", "to": "0151", "text": f"Nr {n}"}) for n in range(count)]


def test_a_thousand_messages_change_no_file_and_no_object() -> None:
    planner = Planner(TEMPLATES)
    before = planner.plan(rich())
    now = planner.plan(snapshot([*MANIFESTS, *_messages(1_000)], SECRETS))
    assert now.problems == before.problems
    assert (now.files, now.revision) == (before.files, before.revision)
    assert _same_objects(before, now) == set()
    assert len(now.versions) == len(before.versions) + 1_000
    assert all(now.versions[key] == version for key, version in before.versions.items())


def test_of_another_message_nothing_is_asked_but_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[Key]] = []

    def own(draft: Draft) -> list[Finding]:
        asked.append({*draft.resources})
        return []

    monkeypatch.setattr(checking, "OWN", (own,))
    planner = Planner(TEMPLATES)
    site = snapshot([*MANIFESTS, *_messages(1_000)], SECRETS)
    planner.plan(site)
    late = parse(manifest("SmsMessage", "late", {"dongle": "gsm-1", "to": "0151", "text": "late"}))
    planner.plan(Snapshot("default", {**site.resources, late.key: late}, site.secrets))
    assert asked[1:] == [{late.key}]


def test_what_has_no_lines_has_no_revision() -> None:
    versions = Planner(TEMPLATES).plan(rich()).versions
    assert {key.kind for key, version in versions.items() if not version.revision} == {"Notifier", "SmsMessage"}


def test_a_transport_that_is_gone_is_missed_by_phones_that_did_not_change() -> None:
    planner, site = Planner(TEMPLATES), rich()
    planner.plan(site)
    pbx = _changed(0, transports=[{"name": "udp", "protocol": "udp", "bind": "0.0.0.0:5060"}]).resources[
        Key("Asterisk", "pbx")
    ]
    now = Snapshot("default", {**site.resources, pbx.key: pbx}, site.secrets)
    plan = planner.plan(now)
    assert plan == Planner(TEMPLATES).plan(now)
    assert [p.field for p in plan.problems[Key("Extension", "desk")]] == ["spec.transport"]


def test_what_was_given_to_a_plan_may_change_afterwards() -> None:
    resources, planner = dict(rich().resources), Planner(TEMPLATES)
    planner.plan(Snapshot("default", resources, rich().secrets))
    del resources[Key("Extension", "desk")]
    site = Snapshot("default", resources, rich().secrets)
    assert planner.plan(site) == Planner(TEMPLATES).plan(site)


def test_a_plan_that_failed_leaves_nothing_half_remembered() -> None:
    text = "{% if '109' in object.id %}{{ object.nothing }}{% endif %}" + (shipped() / "pjsip.conf.j2").read_text()
    templates = Templates({path.name: path.read_text() for path in shipped().glob("*.j2")} | {"pjsip.conf.j2": text})
    planner = Planner(templates)
    planner.plan(rich())
    bad = snapshot(
        [*MANIFESTS, manifest("Extension", "e9", {"number": "109", "generateCredentials": True})],
        {**SECRETS, "e9-credentials": {"username": "109", "password": "x"}},
    )
    for _ in range(2):
        with pytest.raises(UndefinedError):
            planner.plan(bad)
    assert planner.plan(rich()) == Planner(templates).plan(rich())


def test_every_secret_of_a_rich_site_is_found_by_its_field() -> None:
    found = {
        (k.name, path, name)
        for k, r in rich().resources.items()
        if r.spec
        for path, name, _ in secret_refs(r.spec, k.name)
    }
    assert found == {
        ("pbx", "spec.transports[2].certificateSecretRef", "tls"),
        ("pbx", "spec.transports[3].certificateSecretRef", "tls"),
        ("desk", "spec.credentialsSecretRef", "desk"),
        ("desk", "spec.voicemail.pinSecretRef", "desk"),
        ("plain", "spec.generateCredentials", "plain-credentials"),
        ("browser", "spec.credentialsSecretRef", "browser"),
        ("carrier", "spec.credentialsSecretRef", "carrier"),
        ("carrier", "spec.tls.caSecretRef", "authority"),
        ("boss", "spec.urlSecretRef", "boss"),
    }
