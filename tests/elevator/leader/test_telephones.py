"""Alarms and test calls: each is noticed once, whoever dies in between, and nothing is overdue twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dialplane.resources.manifest import Resource
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.leader.spool import CabinEvent, cabin_event
from dialplane.services.elevator.leader.telephone_book import SpoolTally, take_spooled
from dialplane.services.elevator.leader.telephone_watch import TelephoneWatch
from dialplane.services.elevator.tables import commands, spooled, telephones
from dialplane.store import Store
from tests.elevator.leader.lifts import CABIN, SITE, Clock, events_of, journal_of, lift, lifts

ALARM, OVERDUE = ("elevator.alarm", "lift-1"), ("elevator.testcall.overdue", "lift-1")
PICTURES: dict[str, Any] = {"allowedCommands": [{"name": "SNAPSHOT", "kind": "safe"}], "snapshot": {"onAlarm": True}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notified() -> list[str]:
    return []


Start = Callable[..., TelephoneWatch]


@pytest.fixture
def watch(store: Store, clock: Clock, notified: list[str]) -> Start:
    """A leader that starts now."""

    def start(*resources: Resource) -> TelephoneWatch:
        known = lifts(*(resources or (lift(**CABIN),)))
        return TelephoneWatch(store, SITE, lifts=lambda: known, leads=lambda: True, notified=notified.extend, now=clock)

    return start


def happened(clock: Clock, kind: str, name: str = "lift-1", detail: str = "112", call: str = "1.7") -> CabinEvent:
    found = cabin_event(f"{call}-{kind}", f"{int(clock().timestamp())}|{name}|{kind}|{detail}", clock())
    assert isinstance(found, CabinEvent)
    return found


def take(store: Store, clock: Clock, *events: CabinEvent, known: dict[str, Lift] | None = None) -> SpoolTally:
    return take_spooled(store, SITE, events, known or lifts(lift(**CABIN)), now=clock())


def alarm(store: Store) -> str | None:
    found = telephones.get(store, SITE).get("lift-1")
    return found.alarm if found else None


# --- the spool


@pytest.mark.databases
def test_what_is_read_twice_takes_effect_once(store: Store, clock: Clock) -> None:
    lines = [happened(clock, "test", detail="770"), happened(clock, "alarm", call="1.8")]
    assert take(store, clock, *lines) == SpoolTally(test_calls=1, alarms=1)
    telephones.end_alarm(store, SITE, "lift-1", clock())
    assert take(store, clock, *lines) == SpoolTally()  # it died before it had deleted them
    assert alarm(store) == "Ended"
    assert journal_of(store) == [("lift-1", "test_call"), ("lift-1", "alarm")]


def test_a_call_for_help_counts_though_asterisks_clock_is_slow(store: Store, clock: Clock) -> None:
    telephones.raise_alarm(store, SITE, "lift-1", clock())
    telephones.end_alarm(store, SITE, "lift-1", clock())
    slow = Clock(clock() - timedelta(minutes=5))
    assert take(store, clock, happened(slow, "alarm")).alarms == 1
    assert alarm(store) == "Raised"


def test_an_alarm_goes_from_raised_to_answered_to_ended_and_is_raised_anew_only_then(
    store: Store, clock: Clock
) -> None:
    take(store, clock, happened(clock, "answered", call="0.1"))
    assert alarm(store) is None
    take(store, clock, happened(clock, "alarm"))
    clock.move(seconds=5)
    take(store, clock, happened(clock, "answered", detail="201"))
    assert alarm(store) == "Answered"
    take(store, clock, happened(clock, "alarm", call="1.9"))
    assert alarm(store) == "Answered"
    assert telephones.end_alarm(store, SITE, "lift-1", clock())
    assert not telephones.end_alarm(store, SITE, "lift-1", clock())
    take(store, clock, happened(clock, "alarm", call="2.0"))
    assert alarm(store) == "Raised"


def test_an_answer_in_an_earlier_emergency_answers_no_later_one(store: Store, clock: Clock) -> None:
    answered = happened(clock, "answered", detail="201")
    clock.move(minutes=5)
    take(store, clock, happened(clock, "alarm", call="3.0"))
    take(store, clock, answered)
    assert alarm(store) == "Raised"


def test_events_of_a_device_that_is_not_there_are_left_out(store: Store, clock: Clock) -> None:
    assert take(store, clock, happened(clock, "alarm", name="lift-9")) == SpoolTally()
    assert telephones.get(store, SITE) == {}


def test_what_was_taken_is_forgotten_after_a_while(store: Store, clock: Clock) -> None:
    take(store, clock, happened(clock, "test"))
    assert spooled.prune(store, SITE, clock() - timedelta(days=7)) == 0
    assert spooled.prune(store, SITE, clock.move(days=8) - timedelta(days=7)) == 1


# --- alarms


async def test_an_alarm_is_notified_once_whichever_leader_sees_it(
    store: Store, clock: Clock, watch: Start, notified: list[str]
) -> None:
    leader = watch()
    await leader.look()
    telephones.raise_alarm(store, SITE, "lift-1", clock())  # as a gateway does for a device's message
    assert await leader.look() == {"lift-1"}
    await leader.look()
    await watch().look()
    assert events_of(store) == [ALARM]
    assert notified == ["lift-1"]
    telephones.end_alarm(store, SITE, "lift-1", clock.move(minutes=1))
    telephones.raise_alarm(store, SITE, "lift-1", clock.move(minutes=1))
    await leader.look()
    assert events_of(store) == [ALARM, ALARM]


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        (PICTURES, 1),
        ({**PICTURES, "snapshot": {}}, 0),
        ({"snapshot": {"onAlarm": True}}, 0),
        ({**PICTURES, "allowedCommands": [{"name": "SNAPSHOT", "kind": "physical"}]}, 0),
    ],
    ids=["wanted", "not wanted", "not allowed", "a physical one"],
)
async def test_an_alarm_asks_for_a_picture_where_the_manifest_does(
    store: Store, clock: Clock, watch: Start, spec: dict[str, Any], asked: int
) -> None:
    telephones.raise_alarm(store, SITE, "lift-1", clock())
    await watch(lift(**CABIN, **spec)).look()
    queued = commands.page(store, SITE, "lift-1", limit=10).commands
    assert [(each.name, each.state, each.token) for each in queued] == [("SNAPSHOT", "queued", "dialplane")] * asked


async def test_an_alarm_is_noticed_at_once_though_the_gateways_clock_is_slow(
    store: Store, clock: Clock, watch: Start
) -> None:
    leader = watch()
    await leader.look()
    telephones.raise_alarm(store, SITE, "lift-1", clock() - timedelta(minutes=10))
    await leader.look()
    assert events_of(store) == [ALARM]


# --- test calls


@pytest.mark.databases
async def test_a_missing_test_call_is_notified_once_for_each_lapse(store: Store, clock: Clock, watch: Start) -> None:
    leader = watch()
    await leader.look()
    clock.move(hours=71, minutes=59)
    await leader.look()
    assert events_of(store) == []
    clock.move(minutes=2)
    await leader.look()
    await leader.look()
    await watch().look()  # another leader
    assert events_of(store) == [OVERDUE]
    take(store, clock, happened(clock, "test"))
    await leader.look()
    assert leader.telephones["lift-1"].overdue_at is None
    clock.move(hours=73)
    await leader.look()
    assert events_of(store) == [OVERDUE, OVERDUE]
    assert journal_of(store) == [("lift-1", "test_call")] * 3


async def test_what_a_restart_of_the_leader_took_is_no_new_time(store: Store, clock: Clock, watch: Start) -> None:
    await watch().look()
    clock.move(hours=60)
    await watch().look()
    clock.move(hours=13)
    await watch().look()
    assert events_of(store) == [OVERDUE]


async def test_a_manifest_that_asks_for_no_test_call_any_more_ends_the_watch(
    store: Store, clock: Clock, watch: Start
) -> None:
    await watch().look()
    clock.move(hours=50)
    await watch(lift(emergencyExtension="101")).look()
    clock.move(hours=50)
    await watch().look()  # asked anew: from now on
    assert events_of(store) == []
    assert telephones.get(store, SITE)["lift-1"].expected_since == clock()


async def test_more_time_in_the_manifest_ends_a_lapse(store: Store, clock: Clock, watch: Start) -> None:
    await watch().look()
    clock.move(hours=80)
    await watch().look()
    more = watch(lift(emergencyExtension="101", testCall={"number": "770", "maxAgeHours": 100}))
    await more.look()
    assert more.telephones["lift-1"].overdue_at is None
    clock.move(hours=30)
    await more.look()
    assert events_of(store) == [OVERDUE, OVERDUE]


async def test_a_gateway_writes_the_alarm_of_a_device_that_nothing_is_recorded_of(store: Store, clock: Clock) -> None:
    assert telephones.raise_alarm(store, SITE, "lift-1", clock())
    assert not telephones.raise_alarm(store, SITE, "lift-1", clock())
    with store.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(telephones.TELEPHONES)).scalar_one() == 1
