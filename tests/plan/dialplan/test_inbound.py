from typing import Any

import pytest

from tests.plan.dialplan.sites import BOX, contexts, extension, lines, schedule, site, trunk

ANY = "_[+0-9A-Za-z*#]!"


def to(target: dict[str, Any], did: str = "+4930", **spec: Any) -> Any:
    outbound = [{"pattern": "_0X.", "permission": "international"}]
    one = trunk("a", inbound=[{"did": did, "to": target}], outbound=outbound, **spec)
    emergency = {"numbers": ["0112"], "trunks": ["a"]}
    return site([extension("101", voicemail=BOX), extension("102")], [one], [schedule("hours")], emergency=emergency)


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ({"extension": "101"}, "dp-internal,101"),
        ({"voicemail": "101"}, "dp-voicemail,101"),
        ({"number": "030123"}, "dp-outbound-international-local-national,030123"),
        ({"schedule": "hours"}, "dp-schedules,hours"),
        ({"ringGroup": {"members": ["101"]}}, "dp-groups-a,+4930"),
        ({"hangup": True}, "dp-end,s"),
    ],
)
def test_a_did_leads_to_its_destination(target: dict[str, Any], address: str) -> None:
    expected = f"Gosub(dp-inbound,s,1(a,{address}))"
    assert lines(to(target), "dp-from-a") == {"+4930": expected, "4930": expected}


@pytest.mark.parametrize(
    "target",
    [
        {"extension": "999"},
        {"voicemail": "102"},
        {"number": "99"},
        {"number": "0112"},
        {"schedule": "gone"},
        {"voiceBot": "later"},
    ],
)
def test_a_did_that_leads_nowhere_is_refused_and_not_caught_by_another(target: dict[str, Any]) -> None:
    assert lines(to(target), "dp-from-a") == {"+4930": "Hangup(1)", "4930": "Hangup(1)"}


def test_a_did_listed_both_ways_keeps_both() -> None:
    routes = [{"did": "+4930", "to": {"extension": "101"}}, {"did": "4930", "to": {"hangup": True}}]
    of = site([extension("101")], [trunk("a", inbound=routes)])
    assert lines(of, "dp-from-a")["+4930"] != lines(of, "dp-from-a")["4930"]


def test_the_star_catches_whatever_a_carrier_sends() -> None:
    assert list(lines(to({"extension": "101"}, did="*"), "dp-from-a")) == [ANY]


def test_with_to_header_the_numbers_stand_apart() -> None:
    of = to({"extension": "101"}, inboundNumberFrom="toHeader")
    assert lines(of, "dp-from-a") == {ANY: "Gosub(dp-inbound-to-header,s,1(dp-did-a))"}
    assert set(lines(of, "dp-did-a")) == {"+4930", "4930"}


def test_a_trunk_without_inbound_routes_still_has_its_context() -> None:
    assert contexts(site(trunks=[trunk("a")]))["dp-from-a"].entries == ()


def test_a_context_that_calls_from_outside_start_in_includes_nothing() -> None:
    for name, context in contexts(to({"extension": "101"}, inboundNumberFrom="toHeader")).items():
        assert not context.includes or name.startswith("dp-cos-")


def test_a_ring_group_rings_the_members_that_are_served() -> None:
    group = {"members": ["102", "999", "101"], "strategy": "sequence", "noAnswer": {"voicemail": "101"}}
    assert lines(to({"ringGroup": group}), "dp-groups-a") == {
        "+4930": "Gosub(dp-ring-sequence,s,1(Local/102@dp-members&Local/101@dp-members,30,dp-voicemail,101))"
    }
