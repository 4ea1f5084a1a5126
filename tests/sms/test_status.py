"""What a SmsMessage and its reports say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialplane.resources.sms_message import SmsMessageSpec
from dialplane.services.sms import status
from dialplane.services.sms.reports import outcome
from dialplane.services.sms.spool import Report
from dialplane.services.sms.tables.outgoing import Outgoing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SPEC = SmsMessageSpec.model_validate({"dongle": "one", "to": "+15550100", "text": "hello"})
QUEUED = Outgoing(
    *(1, "out-1", "office", "resource", "uid", "hello", "+15550100", "hello", "one", None, 60, True, "Queued", 0),
    *(None, None, 1, 0, 0, NOW, NOW + timedelta(hours=1), None, None, None),
)  # fmt: skip
REPORT = Report("1.1", "one", "+15550100", "payload", True, "e", NOW, "", "", "000,")


@pytest.mark.parametrize(
    ("changes", "conditions"),
    [
        ({}, {"Ready": ("Unknown", "Queued")}),
        ({"dongle": "one"}, {"Ready": ("Unknown", "Queued")}),
        ({"phase": "Sent"}, {"Ready": ("Unknown", "Sent")}),
        ({"phase": "Sent", "delivery_report": False}, {"Ready": ("True", "Sent")}),
        ({"phase": "Sent", "finished_at": NOW}, {"Ready": ("True", "Sent")}),
        ({"phase": "Delivered", "finished_at": NOW}, {"Ready": ("True", "Delivered")}),
        ({"phase": "Failed"}, {"Ready": ("False", "Failed"), "Stalled": ("True", "Failed")}),
        ({"phase": "Expired"}, {"Ready": ("False", "Expired"), "Stalled": ("True", "Expired")}),
        ({"phase": "Unknown"}, {"Ready": ("False", "OutcomeUnknown"), "Stalled": ("True", "OutcomeUnknown")}),
    ],
)
def test_the_phase_is_told_as_conditions(changes: dict[str, Any], conditions: dict[str, tuple[str, str]]) -> None:
    found = status.of_message(replace(QUEUED, **changes), SPEC, NOW).conditions
    assert {str(each.type): (str(each.status), str(each.reason)) for each in found} == conditions


def test_what_keeps_a_message_waiting_is_told() -> None:
    (found,) = status.of_message(QUEUED, SPEC, NOW, waits="waits for its turn").conditions
    assert found.message == "waits for its turn"


@pytest.mark.parametrize(("phase", "ready"), [("Delivered", "True"), ("Expired", "False"), ("Sent", "False")])
def test_what_the_store_has_forgotten_is_over_when_its_validity_and_time_are(phase: str, ready: str) -> None:
    found = [status.of_forgotten(phase, NOW, NOW + timedelta(seconds=seconds)) for seconds in (-1, 0)]
    assert [each.over for each in found] == [False, True]
    assert str(found[0].conditions[0].status) == ready


@pytest.mark.parametrize(("after", "over"), [(604_799, False), (604_800, True)])
def test_its_time_is_over_so_long_after_its_end(after: int, over: bool) -> None:
    finished = replace(QUEUED, phase="Delivered", finished_at=NOW)
    assert status.of_message(finished, SPEC, NOW + timedelta(seconds=after)).over == over


def test_before_its_end_it_is_never_over() -> None:
    assert not status.of_message(QUEUED, SPEC, NOW + timedelta(days=365)).over


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "delivered"),
        ({"type": "i"}, "sent"),
        ({"type": "i", "success": False}, "failed"),
        ({"success": False, "detail": "000,065,"}, "failed"),
        ({"success": False, "detail": "000,070,"}, "expired"),
        ({"success": False, "detail": "000,048,"}, "sent"),
        ({"success": False, "detail": "048,065,"}, "failed"),
        ({"success": False, "detail": "unheard-of"}, "failed"),
        ({"type": "t", "success": False, "detail": ""}, "unreported"),
    ],
)
def test_a_report_of_the_driver_has_one_meaning(changes: dict[str, Any], says: str) -> None:
    assert outcome(replace(REPORT, **changes))[0] == says
