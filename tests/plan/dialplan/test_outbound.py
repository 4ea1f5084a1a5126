from typing import Any

import pytest

from dialplane.plan.dialplan.patterns import matches, overlap
from tests.plan.dialplan.sites import contexts, extension, lines, site, trunk

DIALLED = "${FILTER(0-9*#+,${EXTEN})},${LEN(${EXTEN})}"


def route(pattern: str, **spec: object) -> dict[str, object]:
    return {"pattern": pattern, "permission": "national"} | spec


def test_every_class_has_the_patterns_of_all_permissions() -> None:
    routes = [route("_0X."), route("_00X.", permission="international"), route("_XXXX", permission="local")]
    of = site(
        [extension("101", permissions=["national", "internal"]), extension("102", permissions=[])],
        [trunk("carrier", outbound=routes)],
    )
    assert lines(of, "dp-outbound-national") == {
        "_00X.": "Hangup(21)",
        "_0X.": f"Gosub(dp-outbound-call,s,1({DIALLED},carrier:0:))",
        "_XXXX": "Hangup(21)",
    }
    assert set(lines(of, "dp-outbound-none").values()) == {"Hangup(21)"}
    assert contexts(of)["dp-cos-internal-national"].includes == (
        "dp-emergency",
        "dp-privacy",
        "dp-features",
        "dp-internal",
        "dp-outbound-national",
    )
    assert contexts(of)["dp-cos-none"].includes == ("dp-emergency", "dp-privacy", "dp-outbound-none")


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [(10, 20, "a:1:+49&b:0:"), (20, 10, "b:0:&a:1:+49"), (5, 5, "a:1:+49&b:0:")],
)
def test_trunks_with_one_pattern_are_tried_by_priority_then_name(first: int, second: int, order: str) -> None:
    a = trunk("a", outbound=[route("_0X.", strip=1, prepend="+49", priority=first)])
    b = trunk("b", outbound=[route("_0X.", priority=second)])
    of = site([extension("101", permissions=["national"])], [b, a])
    assert order in lines(of, "dp-outbound-national")["_0X."]


def test_a_route_without_permission_is_no_way_out() -> None:
    cheap = trunk("a", outbound=[route("_0X.", permission="international", priority=1)])
    of = site([extension("101", permissions=["national"])], [cheap, trunk("b", outbound=[route("_0X.")])])
    assert lines(of, "dp-outbound-national")["_0X."] == f"Gosub(dp-outbound-call,s,1({DIALLED},b:0:))"


def test_emergency_numbers_name_the_trunks_that_are_served() -> None:
    emergency = {"numbers": ["112", "110"], "trunks": ["gone", "b", "a"], "callerId": "+4930112"}
    of = site(trunks=[trunk("a"), trunk("b")], emergency=emergency)
    assert lines(of, "dp-emergency") == {
        "110": "Gosub(dp-emergency-call,s,1(110,b&a,+4930112))",
        "112": "Gosub(dp-emergency-call,s,1(112,b&a,+4930112))",
    }


def test_a_trunk_is_a_row_that_calls_look_up() -> None:
    policy = {"format": "national", "countryCode": "1", "nationalPrefix": "1"}
    one = trunk("a", port=5070, maxChannels=4, callerId="+12125550100", callerIdPolicy=policy)
    assert lines(site(trunks=[one, trunk("b", host="2001:db8::1")]), "dp-trunks") == {
        "a": "Return(4:national:1:1:011:+12125550100:192.0.2.1:5070)",
        "b": "Return(:asIs:::00::[2001:db8::1])",
    }


@pytest.mark.parametrize(
    ("country", "prefix"), [("1", ":011"), ("49", "0:00"), ("34", ":00"), ("7", "8:810"), ("39", ":00")]
)
def test_the_country_says_how_its_numbers_are_written(country: str, prefix: str) -> None:
    one = trunk("a", callerIdPolicy={"format": "e164", "countryCode": country})
    assert lines(site(trunks=[one]), "dp-trunks")["a"] == f"Return(:e164:{country}:{prefix}::192.0.2.1)"


def test_a_trunk_says_how_long_to_wait_and_which_answers_mean_that_it_failed() -> None:
    trunks = [trunk("a"), trunk("b", answerSeconds=20, failoverOn=["404", "6xx"]), trunk("c", failoverOn=[])]
    assert lines(site(trunks=trunks), "dp-trunk-policies") == {
        "a": "Return(9:408-5xx::)",
        "b": "Return(20:404-6xx::)",
        "c": "Return(9:::)",
    }


@pytest.mark.parametrize(
    ("spec", "columns"),
    [
        ({}, ":"),
        ({"fromUser": "15550100"}, "dp_hidden_a:"),
        ({"fromDomain": "tel.example.com"}, "dp_hidden_a:"),
        ({"callerIdPolicy": {"assertHidden": True}}, ":192.0.2.1"),
        ({"host": "2001:db8::1", "callerIdPolicy": {"assertHidden": True}}, ":[2001:db8::1]"),
        (
            {"fromDomain": "tel.example.com", "callerIdPolicy": {"assertHidden": True}},
            "dp_hidden_a:tel.example.com",
        ),
    ],
)
def test_a_trunk_says_who_calls_for_those_who_hide_and_where_they_are_asserted(
    spec: dict[str, Any], columns: str
) -> None:
    found = lines(site(trunks=[trunk("a", **spec)]), "dp-trunk-policies")
    assert found == {"a": f"Return(9:408-5xx:{columns})"}


def test_an_emergency_number_may_be_dialled_behind_a_prefix() -> None:
    emergency = {"numbers": ["112"], "prefixes": ["0", "9"], "trunks": ["a"]}
    found = lines(site(trunks=[trunk("a")], emergency=emergency), "dp-emergency")
    assert found == dict.fromkeys(("112", "0112", "9112"), "Gosub(dp-emergency-call,s,1(112,a,))")


@pytest.mark.parametrize(
    ("pattern", "number", "expected"),
    [
        ("112", "112", True),
        ("112", "1123", False),
        ("_0X.", "0301", True),
        ("_0X.", "03", False),
        ("_0X!", "03", True),
        ("_NXX", "199", False),
        ("_NXX", "299", True),
        ("_Z0", "10", True),
        ("_Z0", "00", False),
        ("_+49X.", "+4930", True),
        ("_0[2-57]X", "071", True),
        ("_0[2-57]X", "061", False),
        ("_*21X.", "*2101", True),
    ],
)
def test_a_pattern_matches_as_in_asterisk(pattern: str, number: str, expected: bool) -> None:
    assert matches(pattern, number) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("_0X.", "_03X.", True),
        ("_0X.", "_0X!", True),
        ("_0X.", "_03", False),
        ("_0X!", "_03", True),
        ("_0X.", "030", True),
        ("_0X.", "_1X.", False),
        ("_0[1-4].", "_0[5-9]X", False),
        ("_NXX", "_1XX", False),
        ("_NXX", "299", True),
        ("_XX", "_XXX", False),
    ],
)
def test_patterns_overlap_where_some_number_matches_both(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is expected
