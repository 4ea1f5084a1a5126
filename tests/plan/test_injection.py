"""No value of a manifest or a Secret can add a line, section, include or comment to a rendered file."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplane.plan.escape import Unrenderable, escape
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from tests.plan.modems import MODEM_SECRETS, MODEMS
from tests.plan.office import manifest, office, snapshot
from tests.plan.reader import caller_id, mailbox, read
from tests.properties import tries

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="\n\r\x00;[]#=>\\,|\"'<>${}()!-+ \tab1\x85\u2028", max_size=25),
    st.sampled_from(
        [
            "x\n[evil]", "x\r\ntype=endpoint", "a;b", "a\\;b", ";--", "--;", "#include x", "a\n#exec rm", "[x](!)", "x\\",
            "=> y", "+= y", " lead", "trail ", "${SHELL(id)}", "$[1+1]", "a,b|c", "\ud800", "101@x", "'; drop", "\\;--x",
        ]
    ),
)  # fmt: skip

SECTION = re.compile(r"\[[A-Za-z0-9_.@+-]+\](\(\+\))?")

MARK = "qX7"
"""Stands in every hostile secret, so that a message that shows one is found."""

PLANNER = Planner(load())
OFFICE, OFFICE_SECRETS = office()
LIFT = {
    "location": "Town hall, lift 2",
    "emergencyExtension": "103",
    "operators": ["101"],
    "testCall": {"number": "770"},
    "tokenSecretRef": {"name": "lifts", "key": "lift-2"},
}
ARI = {"ari": {"credentialsSecretRef": {"name": "ari"}}}
BOT = {
    "number": "890",
    "dialog": {
        "start": "ask",
        "states": [
            {
                "name": "ask",
                "say": {"text": "Sales?"},
                "collect": {"grammar": "yesNo"},
                "transitions": [{"intent": "yes", "to": "sales"}, {"answered": True, "to": "bye"}],
            },
            {"name": "sales", "action": {"transfer": {"to": {"ringGroup": {"members": ["101", "102"]}}}}},
            {"name": "bye", "action": {"hangup": True}},
        ],
    },
    "fallback": {"to": {"ringGroup": {"members": ["101"], "noAnswer": {"voicemail": "101"}}}},
}
MANIFESTS = [
    *(one | {"spec": one["spec"] | ARI} if one["kind"] == "Asterisk" else one for one in OFFICE),
    *MODEMS,
    manifest("ElevatorDevice", "lift-2", LIFT),
    manifest("VoiceBot", "desk", BOT),
]
SECRETS = OFFICE_SECRETS | MODEM_SECRETS | {
    "lifts": {"lift-2": "a token of some length"},
    "ari": {"username": "ari", "password": "of ari"},
}  # fmt: skip
USUAL = PLANNER.plan(snapshot(MANIFESTS, SECRETS)).files


@settings(max_examples=tries(20_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HOSTILE)
def test_whatever_is_escaped_reads_back_as_it_was_on_one_line(value: str) -> None:
    try:
        escaped = escape(value)
    except Unrenderable:
        return
    reading = read(f"[section]\noption = {escaped}\nlast = 1\n")
    assert reading.sections == ("[section]",)
    assert reading.directives == ()
    assert reading.comments == 0
    assert [line.name for line in reading.lines] == ["option", "last"]
    assert reading.lines[0].value.encode("latin-1") == value.encode("utf-8")


def _strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*path, index))


def _put(root: Any, path: tuple[Any, ...], value: str) -> None:
    for step in path[:-1]:
        root = root[step]
    root[path[-1]] = value


FIELDS = [(number, ("spec", *path)) for number, m in enumerate(MANIFESTS) for path in _strings(m["spec"])]
SECRET_FIELDS = [(name, key) for name, keys in sorted(SECRETS.items()) for key in sorted(keys)]


def _shape(files: dict[str, str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    readings = {path: read(text) for path, text in files.items()}
    assert all(r.directives == () and r.comments == 0 for r in readings.values())
    return {path: (r.sections, tuple(line.name for line in r.lines)) for path, r in readings.items()}


@pytest.mark.parametrize("number", range(len(FIELDS)))
@settings(max_examples=tries(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=HOSTILE)
def test_a_hostile_field_is_refused_or_stays_within_its_value(number: int, value: str) -> None:
    index, path = FIELDS[number]
    manifests = copy.deepcopy(MANIFESTS)
    _put(manifests[index], path, value)
    plan = PLANNER.plan(snapshot(manifests, SECRETS))
    for rendered in plan.files.values():
        reading = read(rendered)
        assert reading.directives == ()
        assert reading.comments == 0
        assert all(SECTION.fullmatch(section) for section in reading.sections)


@pytest.mark.parametrize(("name", "key"), SECRET_FIELDS)
@settings(max_examples=tries(30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=HOSTILE)
def test_a_hostile_secret_changes_no_line_but_its_own(name: str, key: str, value: str) -> None:
    value = f"{value}{MARK}"
    plan = PLANNER.plan(snapshot(MANIFESTS, {**SECRETS, name: {**SECRETS[name], key: value}}))
    said = [str(p) for found in plan.problems.values() for p in found]
    if said:
        assert not any(MARK in text for text in said), "a message shows a secret"
    else:
        seen = _shape(dict(plan.files))
        assert {p: (len(s), names) for p, (s, names) in seen.items()} == {
            p: (len(s), names) for p, (s, names) in _shape(dict(USUAL)).items()
        }


NAMES = st.one_of(
    HOSTILE,
    st.text(max_size=66),
    st.text(alphabet="\\\"<>;,|=#[]${}()%&?'`^!:@*+ -101Zä\u20ac\U0001f600", min_size=1, max_size=40),
    st.sampled_from(
        [
            '" <112>', '\\" <112> "', "x,evil@example.com", "x,,,attach=no|delete=yes", "<101>", '"', "\\", '\\"', "\\\\;",
            "a\\;b", ";--", "--;", "#exec id", "[101](+)", "=> x", "+= y", "${SHELL(id)}", "$[1/0]", "${EXTEN}", "%00%0a",
            ",,", "|", "\u2028", "  ", "\\" * 40, '"' * 64,
        ]
    ),
)  # fmt: skip
DESK = next(m for m in MANIFESTS if m["kind"] == "Extension" and "voicemail" in m["spec"])


@settings(max_examples=tries(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAMES)
def test_a_name_is_read_as_it_is_written_and_nothing_but_a_name_changes(name: str) -> None:
    manifests = [m if m is not DESK else {**m, "spec": {**m["spec"], "displayName": name}} for m in MANIFESTS]
    plan = PLANNER.plan(snapshot(manifests, SECRETS))
    if plan.problems:
        control = re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", name)
        assert control or not 1 <= len(name) <= 64 or len(name.encode()) > 79
        return
    number = DESK["spec"]["number"]
    for path, text in plan.files.items():
        before, after = read(USUAL[path]), read(text)
        assert (after.sections, after.directives, after.comments) == (before.sections, (), 0)
        changed = [(old, new) for old, new in zip(before.lines, after.lines, strict=True) if old != new]
        for old, new in changed:
            assert (old.section, old.name) == (new.section, new.name)
        match path:
            case "pjsip_endpoint.conf":
                lines = {new.name: new for _, new in changed}
                assert {new.section for new in lines.values()} <= {f"[{number}]"}
                assert lines.keys() <= {"callerid", "set_var"}
                shown = next(line for line in after.lines if (line.section, line.name) == (f"[{number}]", "callerid"))
                assert caller_id(shown.value) == (name.encode().decode("latin-1"), number)
            case "voicemail.conf":
                for old, new in changed:
                    (pin, _, *rest), (new_pin, full, *new_rest) = mailbox(old.value), mailbox(new.value)
                    assert (new.name, pin, rest) == (number, new_pin, new_rest)
                    assert full == (" ".join(name.replace(",", " ").split()) or number).encode().decode("latin-1")
            case "extensions.conf":
                assert all(new.name == "DIALPLANE_REVISION" or "REVISION" in new.value for _, new in changed)
            case _:
                assert not changed


@settings(max_examples=tries(50), deadline=None)
@given(kind=st.sampled_from(["Dongle", "Notifier", "SmsMessage"]), name=HOSTILE, value=HOSTILE)
def test_whatever_a_resource_is_called_it_opens_no_section_of_another(kind: str, name: str, value: str) -> None:
    named = next(m for m in MODEMS if m["kind"] == kind)
    made = manifest(kind, name, named["spec"] | ({"text": value} if kind == "SmsMessage" else {}))
    plan = PLANNER.plan(snapshot([*MANIFESTS, made], SECRETS))
    for path in ("dongle.conf", "quectel.conf"):
        assert {*read(plan.files[path]).sections} - {*read(USUAL[path]).sections} <= {f"[{name}]"}


@settings(max_examples=tries(15), deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_input_means_nothing(random: Any) -> None:
    shuffled = list(MANIFESTS)
    random.shuffle(shuffled)
    secrets = dict(random.sample(sorted(SECRETS.items()), len(SECRETS)))
    assert Planner(load()).plan(snapshot(shuffled, secrets)) == PLANNER.plan(snapshot(MANIFESTS, SECRETS))


def test_planning_twice_gives_the_same_bytes() -> None:
    site = snapshot(MANIFESTS, SECRETS)
    assert PLANNER.plan(site).files == PLANNER.plan(site).files == Planner(load()).plan(site).files
