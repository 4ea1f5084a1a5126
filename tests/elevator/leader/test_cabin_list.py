"""Asterisk's list of cabins in alarm against what is recorded: pure."""

from dialplane.services.elevator.leader.cabins import Alarms, alarms
from dialplane.services.elevator.tables.telephones import AlarmState, Telephone
from tests.databases import NOW
from tests.elevator.leader.lifts import CABIN, lift, lifts

LIFTS = lifts(lift(**CABIN), lift("lift-2", emergencyExtension="102"), lift("plain"))
SINCE = str(int(NOW.timestamp()))
NOTHING = Alarms({}, frozenset(), {})


def telephone(state: AlarmState | None, name: str = "lift-1") -> dict[str, Telephone]:
    return {name: Telephone(name, None, None, None, state, NOW, NOW)}


def test_what_agrees_is_left_alone() -> None:
    assert alarms({}, {}, LIFTS) == NOTHING
    assert alarms({"101": SINCE}, telephone("Raised"), LIFTS) == NOTHING
    assert alarms({"101": SINCE}, telephone("Answered"), LIFTS) == NOTHING
    assert alarms({}, telephone("Ended"), LIFTS) == NOTHING


def test_a_cabin_that_asterisk_lost_is_put_back() -> None:
    assert alarms({}, telephone("Raised"), LIFTS) == Alarms({"101": SINCE}, frozenset(), {})


def test_a_cabin_whose_emergency_is_over_is_taken_off() -> None:
    assert alarms({"101": SINCE}, telephone("Ended"), LIFTS) == Alarms({}, frozenset({"101"}), {})


def test_a_number_of_no_cabin_is_taken_off() -> None:
    assert alarms({"999": SINCE}, {}, LIFTS) == Alarms({}, frozenset({"999"}), {})


def test_a_cabin_that_nothing_is_recorded_of_is_in_alarm() -> None:
    assert alarms({"102": "1775205000"}, {}, LIFTS) == Alarms({}, frozenset(), {"lift-2": "1775205000"})


def test_an_alarm_of_a_device_without_a_telephone_is_on_no_list() -> None:
    assert alarms({}, telephone("Raised", "plain"), LIFTS) == NOTHING


def test_a_telephone_that_two_devices_name_is_in_alarm_while_either_is() -> None:
    both = lifts(lift(**CABIN), lift("twin", **CABIN))
    assert alarms({"101": SINCE}, {**telephone("Ended"), **telephone("Raised", "twin")}, both) == NOTHING
    assert alarms({"101": SINCE}, {}, both) == Alarms({}, frozenset(), {"lift-1": SINCE})
