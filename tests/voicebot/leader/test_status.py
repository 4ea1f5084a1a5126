"""What is reported of a bot."""

from datetime import UTC, datetime

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.problem import Reason
from dialplane.services.voicebot.leader import status
from dialplane.services.voicebot.leader.bots import Served
from dialplane.services.voicebot.tables.calls import BotActivity
from tests.databases import NOW

SPEECH = Served(ready=False, reason=Reason.SPEECH_UNAVAILABLE, message="the key is refused")


def doubt(truth: Truth, reason: Reason, message: str) -> tuple[Condition, ...]:
    return (Condition(ConditionType.READY, truth, reason, message),)


@pytest.mark.parametrize(
    ("served", "trouble", "expected"),
    [
        (Served(ready=True), "", ()),
        (None, "", ()),
        (None, "no connection", ()),
        (Served(ready=None, message="not yet"), "", doubt(Truth.UNKNOWN, Reason.UNKNOWN, "not yet")),
        (SPEECH, "", doubt(Truth.FALSE, Reason.SPEECH_UNAVAILABLE, "the key is refused")),
        (Served(ready=True), "no connection", doubt(Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, "no connection")),
    ],
)
def test_ready_is_doubted_unless_it_is_proven(
    served: Served | None, trouble: str, expected: tuple[Condition, ...]
) -> None:
    assert status.report(served, 0, None, counted=True, trouble=trouble).conditions == expected


def test_numbers_are_those_of_the_store_or_what_the_status_has() -> None:
    activity = BotActivity(calls=7, last_call_at=NOW)
    found = status.report(Served(ready=True), 2, activity, counted=True, trouble="").fields
    assert found == {"activeCalls": 2, "lastCallAt": "2026-04-03T08:30:00Z", "answeredToday": 7}
    none = status.report(Served(ready=True), 0, None, counted=True, trouble="").fields
    assert none == {"activeCalls": 0, "lastCallAt": None, "answeredToday": 0}
    assert status.report(Served(ready=True), 2, activity, counted=False, trouble="").fields == status.KEPT


def test_the_day_begins_at_midnight_where_the_asterisk_is() -> None:
    assert status.midnight(datetime(2026, 4, 3, 23, 0, tzinfo=UTC), "Europe/Berlin") == datetime(
        2026, 4, 3, 22, 0, tzinfo=UTC
    )
    assert status.midnight(NOW, "UTC") == datetime(2026, 4, 3, tzinfo=UTC)
