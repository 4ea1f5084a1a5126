"""The one reason that stands beside a resource in `get -o wide`."""

from datetime import UTC, datetime

import pytest

from dialplane.resources.conditions import HEADLINE_LIMIT, Condition, ConditionType, Report, Truth, status_of
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason

T, F, U = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
ACCEPTED, STALLED, RESTARTED = ConditionType.ACCEPTED, ConditionType.STALLED, ConditionType.RESTARTED
READY, ONLINE, REGISTERED = ConditionType.READY, ConditionType.ONLINE, ConditionType.REGISTERED


def headline(*conditions: Condition) -> tuple[str | None, str | None]:
    report = Report(Key("Dongle", "gsm-1"), "uid", 1, conditions)
    status = status_of(report, {}, datetime(2026, 1, 1, tzinfo=UTC))
    assert status_of(report, status, datetime(2026, 1, 2, tzinfo=UTC)) == status
    return status.get("reason"), status.get("message")


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ([(READY, T, Reason.VERIFIED), (ONLINE, T, Reason.ONLINE)], Reason.VERIFIED),
        ([(READY, T, Reason.VERIFIED), (ONLINE, F, Reason.NOT_CONNECTED)], Reason.NOT_CONNECTED),
        ([(READY, T, Reason.VERIFIED), (REGISTERED, F, Reason.NO_CONTACT)], Reason.NO_CONTACT),
        ([(READY, F, Reason.REJECTED_BY_ASTERISK), (ONLINE, F, Reason.NOT_CONNECTED)], Reason.REJECTED_BY_ASTERISK),
        ([(READY, F, Reason.REJECTED_BY_ASTERISK), (ONLINE, U, Reason.UNKNOWN)], Reason.REJECTED_BY_ASTERISK),
        ([(READY, U, Reason.ASTERISK_UNREACHABLE), (ONLINE, U, Reason.UNKNOWN)], Reason.ASTERISK_UNREACHABLE),
        ([(READY, U, Reason.READ_BACK_TIMEOUT), (ONLINE, F, Reason.NOT_CONNECTED)], Reason.NOT_CONNECTED),
        ([(READY, T, Reason.VERIFIED), (ONLINE, U, Reason.UNKNOWN)], Reason.UNKNOWN),
        (
            [(READY, F, Reason.FAILED), (ACCEPTED, T, Reason.ACCEPTED), (STALLED, T, Reason.FAILED)],
            Reason.FAILED,
        ),
        ([(READY, T, Reason.VERIFIED), (RESTARTED, F, Reason.CALLS_UP)], Reason.CALLS_UP),
    ],
)
def test_what_is_not_as_it_should_be_comes_before_verified(
    conditions: list[tuple[ConditionType, Truth, Reason]], reason: Reason
) -> None:
    assert headline(*(Condition(kind, truth, why, f"of {why}") for kind, truth, why in conditions)) == (
        str(reason),
        f"of {reason}",
    )


def test_a_long_message_is_shortened_to_one_line() -> None:
    _, message = headline(Condition(READY, F, Reason.REJECTED_BY_ASTERISK, "two\nlines " * 100))
    assert message is not None
    assert len(message) == HEADLINE_LIMIT
    assert message.startswith("two lines two")
    assert message.endswith("…")


def test_what_has_no_condition_has_no_reason() -> None:
    assert headline() == (None, None)
