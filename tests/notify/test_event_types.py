"""What can happen to resources is what their kinds say, and nothing else has a list of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dialplane.resources import kinds
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.key import Key
from dialplane.resources.kind import Kind
from dialplane.resources.kinds import KINDS, event_types
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import Reason
from dialplane.services.notify import transitions
from dialplane.services.notify.transitions import learned, seen
from dialplane.services.notify.wording import MessageTemplate

NOW = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)
URL = {"urlSecretRef": {"name": "hook", "key": "url"}}
WARM = EventType(
    name="fridge.warm",
    title="Fridge {name} is warm",
    severity=Severity.FAILURE,
    after=Truth.FALSE,
    condition=ConditionType.ONLINE,
)


def test_a_notifier_may_list_every_event() -> None:
    spec, problems = KINDS["Notifier"].parse_spec({**URL, "events": list(event_types())})
    assert problems == ()
    assert isinstance(spec, NotifierSpec)
    assert len(spec.events) == len({event.name for kind in KINDS.values() for event in kind.events})


def test_an_event_that_no_kind_has_is_refused_with_those_that_there_are() -> None:
    (problem,) = KINDS["Notifier"].parse_spec({**URL, "events": ["dongle.ofline"]})[1]
    assert str(problem) == (
        "spec.events[0]: must be one of asterisk.down, asterisk.up, device.offline, device.online, dongle.offline, "
        "dongle.online, elevator.alarm, elevator.testcall.overdue, sms.failed, "
        'sms.received, trunk.registered, trunk.unregistered, voicebot.call, voicebot.failed, not "dongle.ofline"; '
        "did you mean dongle.offline?"
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.events], ids=lambda kind: kind.name)
def test_the_events_of_a_kind_are_told_apart_by_one_thing(kind: Kind) -> None:
    """What was known before is one state by resource: two conditions would overwrite each other's."""
    observed = [event for event in kind.events if event.after is not None]
    assert len({event.condition for event in observed}) <= 1
    assert all(bool(event.condition) != bool(event.state) for event in observed)
    assert not any(event.condition or event.state for event in kind.events if event.after is None)


@pytest.fixture
def fridges(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kinds, with one that only this test has."""
    known = {**KINDS, "Fridge": replace(KINDS["Schedule"], name="Fridge", events=(WARM,))}
    for module in (kinds, transitions):
        monkeypatch.setattr(module, "KINDS", known)


@pytest.mark.usefixtures("fridges")
def test_a_new_kind_brings_its_events() -> None:
    key = Key("Fridge", "cold")
    report = Report(key, "uid", 1, (Condition(ConditionType.ONLINE, Truth.FALSE, Reason.NOT_CONNECTED),))
    (event,) = learned("office", {str(key): "True"}, seen({key: report}), NOW).told
    assert (event.type, event.subject_kind) == ("fridge.warm", "Fridge")
    assert MessageTemplate().words({"event": event.type, "name": "cold"}).title == "Fridge cold is warm"


@pytest.mark.usefixtures("fridges")
def test_a_state_without_an_event_of_its_own_is_remembered_and_not_told() -> None:
    key = Key("Fridge", "cold")
    report = Report(key, "uid", 1, (Condition(ConditionType.ONLINE, Truth.TRUE, Reason.ONLINE),))
    found = learned("office", {str(key): "False"}, seen({key: report}), NOW)
    assert ([state.state for state in found.states], found.told) == ([Truth.TRUE], ())
