"""Admission and the plan are of one mind: what is refused is what the plan would mark, and nothing else is."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from dialplane.plan.admission import Admission, Verdict
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.problem import MANIFEST_MUST_CHANGE, Reason
from dialplane.resources.references import secret_refs
from dialplane.resources.snapshot import Snapshot
from tests.plan.office import manifest
from tests.properties import tries
from tests.resources.examples import MINIMAL

TEMPLATES = load()
LATE = "2030-01-01T00:00:00Z"
TLS = [{"name": "tls", "protocol": "tls", "bind": "0.0.0.0:5061", "certificateSecretRef": {"name": "tls"}}]
UDP = {"name": "udp", "protocol": "udp", "bind": "0.0.0.0:5060"}
LINE = {"host": "sip.example.com"}
TENANT, CAMPAIGN = MINIMAL["InfinityTenant"], MINIMAL["Campaign"]
SPECS: Mapping[str, list[dict[str, Any]]] = {
    "Asterisk": [
        {"transports": [*TLS, UDP]},
        {"transports": [UDP, UDP | {"name": "other"}]},
        {"transports": [UDP], "emergency": {"numbers": ["101", "112"], "trunks": ["a", "b"]}},
    ],
    "Extension": [
        *({"number": number} for number in ("101", "102", "103", "112")),
        {"number": "102", "forward": {"busy": "101", "noAnswer": "*67103"}, "transport": "udp"},
        {"number": "one"},
    ],
    "SipTrunk": [
        LINE | {"inbound": [{"did": "4930555", "to": {"extension": "101"}}], "registration": {}},
        LINE | {"inbound": [{"did": "4930555", "to": {"schedule": "night"}}], "matchNetworks": ["192.0.2.0/25"]},
        LINE | {"outbound": [{"pattern": "102"}, {"pattern": "_0Z."}], "registration": {}},
        {"host": "192.0.2.7", "registration": {}, "enabled": False},
        {"host": "192.0.2.7"},
        LINE | {"matchNetworks": ["192.0.2.0/24"], "codecs": ["g722"]},
        LINE | {"transport": "tls", "tls": {"verify": False}},
        LINE | {"transport": "tls", "tls": {"verify": True}, "matchNetworks": ["192.0.2.0/24"]},
    ],
    "Schedule": [
        {"whenOpen": {"schedule": name}, "whenClosed": {"extension": "101"}} for name in ("day", "night", "weekend")
    ],
    "Dongle": [{"imei": imei, "group": "g"} for imei in ("354000000000119", "354000000000226")],
    "SmsMessage": [{"dongle": "a", "to": "0151", "text": "x"}, {"dongleGroup": "g", "to": "0151", "text": "x"}],
    "InfinityTenant": [
        TENANT,
        TENANT | {"tenantId": "2"},
        TENANT | {"tenantId": "2", "extensionPool": {"numbers": ["8100-8110", "8105"]}},
        TENANT | {"tenantId": "3", "extensionPool": {"numbers": ["8050"]}},
    ],
    "Campaign": [CAMPAIGN | {"tenant": name} for name in ("a", "b")],
    "ElevatorDevice": [
        {"location": "Town hall"},
        {"location": "102", "emergencyExtension": "101", "testCall": {"number": "103"}},
        {"location": "Town hall", "emergencyExtension": "101", "tokenSecretRef": {"name": "infinity", "key": "token"}},
        {"location": "Town hall", "emergencyExtension": "102", "operators": ["101"], "enabled": False},
        {"location": "Town hall", "emergencyExtension": "102", "tokenSecretRef": {"name": "infinity", "key": "none"}},
    ],
}  # fmt: skip
NAMES: Mapping[str, list[str]] = {
    "Asterisk": ["pbx", "second"],
    "Extension": ["ann", "bob", "cid", "dan"],
    "SipTrunk": ["a", "b", "a-b", "ab", "101"],
    "Schedule": ["day", "night", "week-end", "weekend"],
    "Dongle": ["a", "b", "defaults"],
    "SmsMessage": ["m"],
    "InfinityTenant": ["a", "b", "c"],
    "Campaign": ["spring"],
    "ElevatorDevice": ["lift-1", "lift-2"],
}
VALUES = {
    "tls": {"tls.crt": "-----BEGIN CERTIFICATE-----\nx\n", "tls.key": "-----BEGIN PRIVATE KEY-----\nx\n"},
    "infinity": {"token": "a token of some length"},
}
PHONE = Key("Extension", "bob")


def made(kind: str, name: str, spec: Mapping[str, Any], created: str = LATE) -> Resource:
    """A resource with an account of its own, where it has one."""
    spec = copy.deepcopy(dict(spec))
    if kind == "Extension" or "registration" in spec:
        spec["credentialsSecretRef"] = {"name": f"{name}-{kind.lower()}"}
    return parse(manifest(kind, name, spec, creationTimestamp=created))


def drawn(kind: str) -> st.SearchStrategy[tuple[str, str, dict[str, Any]]]:
    return st.tuples(st.just(kind), st.sampled_from(NAMES[kind]), st.sampled_from(SPECS[kind]))


ANY = st.sampled_from(sorted(SPECS)).flatmap(drawn)
OLD = st.tuples(ANY, st.integers(0, 3)).map(lambda one: made(*one[0], created=f"2026-01-01T0{one[1]}:00:00Z"))
PBX = made("Asterisk", "pbx", {"transports": [UDP, *TLS]}, created="2025-01-01T00:00:00Z")


def secrets_of(resources: Mapping[Key, Resource]) -> dict[str, Mapping[str, SecretStr]]:
    """Every Secret that they refer to, as it should be."""
    kept = {name: {k: SecretStr(v) for k, v in values.items()} for name, values in VALUES.items()}
    for key, resource in resources.items():
        for _, name, _ in secret_refs(resource.spec, key.name) if resource.spec else ():
            if name not in VALUES:
                user = getattr(resource.spec, "number", "ada")
                kept[name] = {"username": SecretStr(user), "password": SecretStr("x")}
    return kept


@settings(max_examples=tries(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(site=st.lists(OLD, max_size=9), change=ANY, lost=st.sets(st.sampled_from(NAMES["Extension"])), data=st.data())
def test_a_change_is_refused_exactly_where_the_plan_would_mark_it(
    site: list[Resource], change: tuple[str, str, dict[str, Any]], lost: set[str], data: st.DataObject
) -> None:
    before = {each.key: each for each in (*([PBX] if data.draw(st.integers(0, 9)) else []), *site)}
    new = made(*change)
    old = before.get(new.key)
    new = replace(new, created=old.created) if old else new
    after = before | {new.key: new}
    missing = {f"{name}-extension" for name in lost}
    kept = {name: v for name, v in secrets_of(before).items() if name not in missing}
    own = {f"{new.key.name}-{new.key.kind.lower()}"}
    whole = {name: v for name, v in secrets_of(before).items() if name not in missing - own}
    ready = {name: v for name, v in secrets_of(after).items() if name not in missing - own}
    if new.key.kind != "Extension":
        kept = whole | {name: ready[name] for name in own & ready.keys()}
    marked = Planner(TEMPLATES).plan(Snapshot("s", before, whole)).problems.get(new.key, ())
    problems = Planner(TEMPLATES).plan(Snapshot("s", after, ready)).problems.get(new.key, ())
    admission, now = Admission(), Snapshot("s", before, kept)
    if data.draw(st.booleans()):  # one that has looked at another site before
        admission.review(Snapshot("s", {PBX.key: PBX} | dict(list(before.items())[::2]), kept), new, old)
    verdict = admission.review(now, new, old)
    assert set(verdict.refusals) == {
        problem
        for problem in problems
        if not problem.partial and problem.reason in MANIFEST_MUST_CHANGE and problem not in marked
    }
    assert admission.review(Snapshot("s", after, kept), new, old) == verdict, "the watch may be ahead"


def phone(name: str, number: str = "101", **spec: Any) -> Resource:
    return made("Extension", name, {"number": number} | spec)


def review(*site: Resource, new: Resource, old: Resource | None = None, **options: Any) -> Verdict:
    resources = {each.key: each for each in site}
    return Admission().review(Snapshot("s", resources, secrets_of(resources)), new, old, **options)


def test_the_other_one_and_the_field_are_named() -> None:
    (problem,) = review(PBX, phone("ann"), new=phone("bob")).refusals
    assert problem.reason is Reason.CONFLICT
    assert str(problem) == "spec.number: '101' is taken by Extension/ann; choose another"


def test_a_new_one_is_the_younger_whatever_its_name_within_a_second() -> None:
    bob = phone("bob")
    assert review(PBX, bob, new=replace(phone("ann"), created=bob.created)).refusals


def test_an_elder_that_takes_a_number_is_admitted_and_told_whose_it_was() -> None:
    old = replace(phone("ann", "102"), created="2026-01-01T00:00:00Z")
    new = replace(phone("ann", "101"), created=old.created)
    verdict = review(PBX, old, phone("bob"), new=new, old=old)
    assert verdict.refusals == ()
    assert "Extension/bob: spec.number: '101' is taken by Extension/ann; choose another" in verdict.warnings


def test_who_collides_already_may_change_something_else() -> None:
    ann, old = replace(phone("ann"), created="2026-01-01T00:00:00Z"), phone("bob")
    verdict = review(PBX, ann, old, new=phone("bob", displayName="Bob"), old=old)
    assert verdict.refusals == ()
    assert verdict.warnings == ("spec.number: '101' is taken by Extension/ann; choose another",)


def test_an_unchanged_spec_is_not_looked_at() -> None:
    old = phone("bob", "one")
    assert review(PBX, old, new=replace(old, annotations={"a": "b"}), old=old) == Verdict()


def test_what_may_follow_is_a_warning() -> None:
    trunk = {"host": "sip.example.com", "inbound": [{"did": "*", "to": {"extension": "101"}}], "transport": "none"}
    verdict = review(PBX, new=made("SipTrunk", "a", trunk | {"registration": {}}))
    assert verdict.refusals == ()
    assert any("Secret 'a-siptrunk' does not exist" in text for text in verdict.warnings)
    assert any(text.startswith("spec.transport: Asterisk/pbx has no transport 'none'") for text in verdict.warnings)
    without = review(new=phone("bob"))
    assert without.refusals == ()
    assert any("create one" in text for text in without.warnings)


def test_a_secret_that_is_there_and_unread_is_not_missed() -> None:
    assert review(PBX, new=phone("bob"), unread={"bob-extension"}) == Verdict()
    generated = parse(manifest("Extension", "bob", {"number": "101", "generateCredentials": True}))
    assert review(PBX, new=generated) == Verdict()


def test_a_doubtful_choice_is_a_warning() -> None:
    tenant = made("InfinityTenant", "a", TENANT)
    (text,) = review(PBX, new=tenant, unread={"infinity"}).warnings
    assert text.startswith("spec.callback: without it")
