"""What a look at the site tells, given what was known before."""

from datetime import UTC, datetime

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.notify.transitions import Seen, learned, seen

NOW = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)
TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "before", "now", "told"),
    [
        ("SipTrunk", TRUE, FALSE, "trunk.unregistered"),
        ("SipTrunk", FALSE, TRUE, "trunk.registered"),
        ("Dongle", TRUE, FALSE, "dongle.offline"),
        ("Dongle", FALSE, TRUE, "dongle.online"),
        ("Asterisk", TRUE, FALSE, "asterisk.down"),
        ("Asterisk", FALSE, TRUE, "asterisk.up"),
        ("SipTrunk", TRUE, TRUE, None),
        ("SipTrunk", TRUE, UNKNOWN, None),
        ("SipTrunk", None, FALSE, None),
        ("SipTrunk", None, UNKNOWN, None),
    ],
)
def test_a_change_is_told_and_a_first_look_is_not(
    kind: str, before: Truth | None, now: Truth, told: str | None
) -> None:
    known = {f"{kind}/x": str(before)} if before else {}
    found = learned("office", known, {Key(kind, "x"): Seen(now, "Why", "because")}, NOW)
    assert [event.type for event in found.told] == ([told] if told else [])
    assert [state.state for state in found.states] == ([] if now in {before, UNKNOWN} else [now])


def test_what_is_no_more_is_forgotten() -> None:
    assert learned("office", {"Dongle/gone": "True"}, {}, NOW).gone == {"Dongle/gone"}


@pytest.mark.parametrize(
    ("state", "found"), [("Normal", TRUE), ("Error", FALSE), ("Restarting", UNKNOWN), ("Unknown", UNKNOWN)]
)
def test_a_restart_that_was_asked_for_is_no_outage(state: str, found: Truth) -> None:
    key = Key("Asterisk", "pbx")
    assert seen({key: Report(key, "uid", 1, (), {"state": state})})[key].state is found


def test_why_is_taken_from_the_condition() -> None:
    key = Key("Dongle", "gsm1")
    condition = Condition(ConditionType.ONLINE, FALSE, Reason.NOT_CONNECTED, "it is not plugged in")
    assert seen({key: Report(key, "uid", 1, (condition,))}) == {
        key: Seen(FALSE, "NotConnected", "it is not plugged in")
    }


def test_other_kinds_tell_nothing() -> None:
    key = Key("Extension", "e101")
    assert seen({key: Report(key, "uid", 1, (Condition(ConditionType.REGISTERED, FALSE, Reason.NO_CONTACT),))}) == {}
