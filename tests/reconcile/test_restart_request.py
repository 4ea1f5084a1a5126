"""A request for a restart as data."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dialplane.asterisk.moment import Moment
from dialplane.reconcile.restart_request import Phase, RestartRequest, moment
from dialplane.resources.asterisk import RestartStatus
from dialplane.resources.conditions import Truth

BERLIN = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("2026-04-03T22:00:00+02:00", datetime(2026, 4, 3, 22, tzinfo=BERLIN)),
        ("2026-04-03T20:00:00Z", datetime(2026, 4, 3, 20, tzinfo=UTC)),
        ("2026-04-03T20:00:00", None),  # whose time?
        ("2026-04-03", None),
        ("tonight", None),
        ("", None),
    ],
)
def test_a_value_may_name_a_moment(value: str, named: datetime | None) -> None:
    assert moment(value) == named


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_can_be_noted_and_shown(phase: Phase) -> None:
    request = RestartRequest(
        "pbx", "x" * 500, phase, Moment("a", 7, 1.5), Moment("b", 8, 2.5), "2026-04-03 20:00:00", "said"
    )
    assert RestartRequest.from_json(request.to_json()) == request
    shown = RestartStatus.model_validate(request.fields())
    assert (shown.value, shown.phase, shown.since) == ("x" * 128, phase, "1970-01-01T00:00:02Z")
    condition = request.condition()
    assert (condition is None) == (phase is Phase.SKIPPED)
    if condition is not None:
        assert request.pending == (condition.status == Truth.UNKNOWN)
        assert condition.message == "said"
