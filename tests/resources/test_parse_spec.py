"""Whatever comes in, each error becomes one problem with its field and its cure; nothing raises."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION, parse
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schema import schema_of
from tests.resources.examples import EXAMPLES, MINIMAL

FIELDS = sorted(
    {
        name
        for kind in KINDS.values()
        for name in json.dumps(kind.spec_schema).replace('"', " ").split()
        if name.isalpha() and len(name) < 30
    }
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["101", "*", "udp", "_X."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=5),
    max_leaves=12,
)


def problems(kind: str, **spec: Any) -> dict[str, str]:
    _, found = KINDS[kind].parse_spec({**MINIMAL[kind], **spec})
    assert all(problem.reason is Reason.INVALID for problem in found)
    return {problem.field: problem.message for problem in found}


@pytest.mark.parametrize(
    ("kind", "spec", "field", "message"),
    [
        ("SipTrunk", {"hots": "a"}, "spec.hots", "unknown field; did you mean host?"),
        ("SipTrunk", {"match_networks": []}, "spec.match_networks", "unknown field; did you mean matchNetworks?"),
        ("SipTrunk", {"qualify": None}, "spec.qualify", "unknown field; did you mean qualifySeconds?"),
        ("SipTrunk", {"host": 5}, "spec.host", "must be text, not 5: put it in quotes"),
        ("SipTrunk", {"host": True}, "spec.host", "must be text, not true: put it in quotes"),
        ("SipTrunk", {"host": ["a"]}, "spec.host", "must be text, not a list"),
        ("SipTrunk", {"port": "5060"}, "spec.port", 'must be a whole number without quotes, not "5060"'),
        ("SipTrunk", {"port": 70000}, "spec.port", "must be from 1 to 65535, not 70000"),
        ("SipTrunk", {"enabled": "yes"}, "spec.enabled", 'must be true or false, not "yes"'),
        ("SipTrunk", {"enabled": 1}, "spec.enabled", "must be true or false, not 1"),
        ("SipTrunk", {"codecs": "ulaw"}, "spec.codecs", 'must be a list, not "ulaw"'),
        ("SipTrunk", {"codecs": []}, "spec.codecs", "must have 1 to 16 items, not 0"),
        ("SipTrunk", {"codecs": ["ulaw", "ulaw"]}, "spec.codecs[1]", "ulaw is there twice: remove one"),
        ("SipTrunk", {"registration": True}, "spec.registration", "must be a mapping of fields, not true"),
        (
            "SipTrunk",
            {"dtmfMode": "RFC4733"},
            "spec.dtmfMode",
            'must be one of rfc4733, inband, info, auto, auto_info, not "RFC4733"; did you mean rfc4733?',
        ),
        (
            "Extension",
            {"number": "1"},
            "spec.number",
            '"1" is not an extension number: 2 to 10 digits, such as 101',
        ),
        (
            "Asterisk",
            {"timeZone": "Europe/Berlinn"},
            "spec.timeZone",
            '"Europe/Berlinn" is not a name of the tz database; did you mean Europe/Berlin?',
        ),
        (
            "Extension",
            {"allowedNetworks": ["192.0.2.1/24"]},
            "spec.allowedNetworks[0]",
            '"192.0.2.1/24" is not a network: it has bits beyond its prefix; did you mean 192.0.2.0/24?',
        ),
        (
            "Dongle",
            {"imei": "490154203237519"},
            "spec.imei",
            '"490154203237519" is not an IMEI: after these digits the last one, the check digit, is 8; compare them with the modem\'s (one that really says so goes by imsi or dataPort)',
        ),
        ("Schedule", {"whenOpen": {"hangup": False}}, "spec.whenOpen.hangup", "must be true, not false"),
        (
            "Schedule",
            {"holidays": [date(2026, 12, 25)]},
            "spec.holidays[0]",
            "YAML reads this as a date: quote it to have text",
        ),
        ("Asterisk", {"rtp": {5: 1}}, "spec.rtp", "the name of a field must be text, not '5': quote it"),
        ("Asterisk", {"rtp": {"portStart": 2**70}}, "spec.rtp.portStart", "the number does not fit into 64 bits"),
        (
            "Asterisk",
            {"ami": {"credentialsSecretRef": "s3cr3t"}},
            "spec.ami.credentialsSecretRef",
            "must be a mapping of fields, not the value given",
        ),
    ],
)
def test_an_error_says_what_was_given_and_what_is_wanted(kind: str, spec: Any, field: str, message: str) -> None:
    assert problems(kind, **spec) == {field: message}


@pytest.mark.parametrize("imei", ["490154203237518", "490154203237510", "354000000000119"])
def test_an_imei_has_its_check_digit_or_the_zero_that_some_modems_send(imei: str) -> None:
    assert not problems("Dongle", imei=imei)


def test_a_missing_field_is_told_with_its_purpose() -> None:
    _, found = KINDS["SipTrunk"].parse_spec({})
    assert found == (Problem(Reason.INVALID, "is required: the carrier's host name or address", "spec.host"),)


def test_every_error_is_a_problem_of_its_own() -> None:
    found = problems("SipTrunk", port=0, codecs=["mp3"], outbound=[{"pattern": "x"}, {}], foo=1)
    assert list(found) == [
        "spec.codecs[0]", "spec.foo", "spec.outbound[0].pattern", "spec.outbound[1].pattern", "spec.port",
    ]  # fmt: skip


@pytest.mark.parametrize("raw", [None, [], "x", 5, True, float("nan"), datetime(2026, 1, 1, tzinfo=UTC), {1: 2}, b"x"])
@pytest.mark.parametrize("kind", ["SipTrunk", "Extension", "Schedule"])
def test_a_spec_that_is_none_is_a_problem(kind: str, raw: Any) -> None:
    spec, found = KINDS[kind].parse_spec(raw)
    assert spec is None
    assert found


def test_an_asterisk_needs_no_spec_at_all() -> None:
    assert KINDS["Asterisk"].parse_spec(None) == KINDS["Asterisk"].parse_spec({})


def test_a_value_that_contains_itself_is_a_problem() -> None:
    raw: dict[str, Any] = {}
    raw["rtp"] = raw
    _, found = KINDS["Asterisk"].parse_spec(raw)
    assert [problem.message for problem in found] == ["nested more than 32 deep"]


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), raw=JSON)
def test_nothing_raises(kind: str, raw: Any) -> None:
    spec, found = KINDS[kind].parse_spec(raw)
    assert (spec is None) == bool(found)
    assert all(problem.field.startswith("spec") and problem.message for problem in found)


@settings(max_examples=100, deadline=None)
@given(
    where=st.sampled_from(["credentialsSecretRef", "credentialsSecretRef.name", "credentialsSecretRef.password"]),
    wrap=st.sampled_from([lambda s: s, lambda s: [s], lambda s: {s: s}]),
)
def test_what_stands_in_a_secret_reference_is_never_repeated(where: str, wrap: Any) -> None:
    marker = "Hunter2 Hunter2!"
    outer, _, inner = where.partition(".")
    value = {"name": "a", inner: wrap(marker)} if inner else wrap(marker)
    _, found = KINDS["SipTrunk"].parse_spec({**MINIMAL["SipTrunk"], outer: value})
    assert found
    assert not any(marker in problem.message for problem in found)


VALID = [one.admitted for examples in EXAMPLES.values() for one in examples]
KIND_OF = [one.kind for examples in EXAMPLES.values() for one in examples]


@pytest.mark.parametrize(("kind", "raw"), list(zip(KIND_OF, VALID, strict=True)))
def test_a_spec_written_out_is_read_back_equal(kind: str, raw: Any) -> None:
    spec, _ = KINDS[kind].parse_spec(raw)
    assert spec is not None
    written = spec.model_dump(mode="json", by_alias=True)
    assert KINDS[kind].parse_spec(written) == (spec, ())


@pytest.mark.parametrize("kind", KINDS)
def test_a_valid_spec_without_a_null_needs_no_schema(kind: str) -> None:
    """Making one takes as long as reading a small site."""
    schema_of.cache_clear()
    spec, _ = KINDS[kind].parse_spec(MINIMAL[kind])
    assert spec is not None
    assert schema_of.cache_info().currsize == 0


def test_null_means_left_out_as_it_does_to_the_api_server() -> None:
    given_null = {"host": "sip.example.com", "port": None, "qualifySeconds": None, "callerIdPolicy": {"format": None}}
    assert KINDS["SipTrunk"].parse_spec(given_null) == KINDS["SipTrunk"].parse_spec({"host": "sip.example.com"})


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Extension",
        "metadata": {"name": "ada", "uid": "u", "generation": 3},
        "spec": MINIMAL["Extension"],
        **changes,
    }


def test_a_manifest_becomes_a_resource() -> None:
    resource = parse(manifest())
    assert (str(resource.key), resource.uid, resource.generation) == ("Extension/ada", "u", 3)
    assert resource.spec is not None
    assert resource.problems == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"apiVersion": "dialplane.io/v1"}, "apiVersion"),
        ({"specs": {}}, "specs"),
        ({"metadata": {"name": "Ada"}}, "metadata.name"),
        ({"metadata": {"name": "ada\n"}}, "metadata.name"),
        (
            {"metadata": {"name": "ada", "annotations": {"dialplane.io/restartedAt": date(2026, 1, 1)}}},
            "metadata.annotations[dialplane.io/restartedAt]",
        ),
    ],
)
def test_what_surrounds_the_spec_is_checked_too(changes: Any, field: str) -> None:
    resource = parse(manifest(**changes))
    assert [problem.field for problem in resource.problems] == [field]
    assert resource.spec is None


def test_only_annotations_of_ours_are_kept() -> None:
    annotations = {"dialplane.io/restartedAt": "now", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    resource = parse(manifest(metadata={"name": "ada", "annotations": annotations}))
    assert resource.annotations == {"dialplane.io/restartedAt": "now"}


@pytest.mark.parametrize(
    ("status", "begun"),
    [
        (None, ""),
        ({}, ""),
        ({"phase": ["Sent"]}, ""),
        ({"phase": "Queued"}, ""),
        ({"phase": "Queued", "dongle": "gsm1"}, "Queued"),
        ({"phase": "Sent"}, "Sent"),
    ],
)
def test_a_status_tells_what_was_under_way(status: Any, begun: str) -> None:
    spec = {"dongle": "gsm1", "to": "+15550100", "text": "hello"}
    metadata = {"name": "hello"}
    manifest = {"apiVersion": API_VERSION, "kind": "SmsMessage", "metadata": metadata, "spec": spec, "status": status}
    assert parse(manifest).begun == begun


def test_a_device_that_a_controller_spoke_of_is_under_way() -> None:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "ElevatorDevice",
        "metadata": {"name": "hall"},
        "spec": {"location": "Hall"},
    }
    spoken = [{"type": "Ready", "status": "True", "reason": "Served", "lastTransitionTime": "2026-04-03T08:30:00Z"}]
    assert parse(manifest).begun == ""
    assert parse({**manifest, "status": {"conditions": spoken}}).begun == "Reported"
