"""What a modem's context holds, and that a caller gets nowhere else from it."""

from typing import Any

import pytest

from dialplane.plan.dialplan.modems import MODEM_CALL
from dialplane.plan.objects import DialplanContext
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from tests.plan.office import manifest, snapshot
from tests.plan.rich import MANIFESTS, SECRETS

PLANNER = Planner(load())
SPOOLS = {
    "sms": "Set(DB(dpsms/${UNIQUEID})=${EPOCH}|gsm|${BASE64_ENCODE(${CALLERID(num)})}|${SMS_BASE64})",
    "report": "Set(DB(dpreport/${UNIQUEID})=${EPOCH}|gsm|"
    + "|".join(
        f"${{BASE64_ENCODE(${{{name}}})}}"
        for name in (
            "CALLERID(num)",
            "SMS_REPORT_PAYLOAD",
            "SMS_REPORT_SUCCESS",
            "SMS_REPORT_TYPE",
            "SMS_REPORT_TS",
            "SMS_REPORT_DT",
            "SMS_REPORT",
        )
    )
    + ")",
}
EVERY_NUMBER = ("s", "_[+0-9*#]!")


def planned(to: Any = None) -> Plan:
    spec = {"imei": "354000000000994"} | ({"inbound": {"to": to}} if to else {})
    return PLANNER.plan(snapshot([*MANIFESTS, manifest("Dongle", "gsm", spec)], SECRETS))


def context(plan: Plan) -> DialplanContext:
    return next(c for c in plan.objects.contexts if c.name == "dp-dongle-gsm")


def lines(plan: Plan) -> dict[str, str]:
    return {e.extension: f"{e.application}({e.arguments})" for e in context(plan).entries}


def test_messages_and_reports_are_spooled_by_one_line_each() -> None:
    plan = planned()
    assert {name: lines(plan)[name] for name in SPOOLS} == SPOOLS
    assert {entry.priority for entry in context(plan).entries} == {1}


def test_without_a_destination_every_call_is_refused() -> None:
    assert lines(planned()) == SPOOLS | dict.fromkeys(EVERY_NUMBER, "Hangup(21)")


@pytest.mark.parametrize(
    ("to", "place"),
    [
        ({"extension": "101"}, "dp-internal,101"),
        ({"voicemail": "101"}, "dp-voicemail,101"),
        ({"hangup": True}, "dp-end,s"),
        ({"number": "030123456"}, "dp-outbound-international-local-national,030123456"),
        ({"ringGroup": {"members": ["101", "103"]}}, "dp-dongle-gsm,group"),
    ],
)
def test_a_call_leads_to_the_destination_and_nowhere_else(to: Any, place: str) -> None:
    plan = planned(to)
    assert context(plan).includes == ()
    found = lines(plan)
    group = found.pop("group", None)
    assert found == SPOOLS | dict.fromkeys(EVERY_NUMBER, f"Gosub({MODEM_CALL.context},s,1({place}))")
    assert (group is not None) == ("ringGroup" in to)


def test_a_destination_that_is_not_served_is_refused() -> None:
    assert lines(planned({"extension": "999"})) == lines(planned())


def test_no_context_leads_into_a_modems() -> None:
    plan = planned({"extension": "101"})
    assert not [c.name for c in plan.objects.contexts if "dp-dongle-gsm" in c.includes]
    for other in plan.objects.contexts:
        if other.name != "dp-dongle-gsm":
            assert not [e for e in other.entries if "dp-dongle-gsm," in e.arguments or "@dp-dongle" in e.arguments]
