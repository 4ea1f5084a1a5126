"""What is said of a device, and what of it makes a status be written."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth, status_of
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport
from dialplane.services.elevator.leader import status
from dialplane.services.elevator.leader.status import Facts
from dialplane.services.elevator.tables.presence import Presence
from dialplane.services.elevator.tables.sessions import Session
from dialplane.services.elevator.tables.telephones import Telephone
from tests.databases import NOW
from tests.elevator.leader.lifts import CABIN, lift, lifts

HOUR = timedelta(hours=1)
ONLINE, OFFLINE = Presence("lift-1", online=True, since=NOW), Presence("lift-1", online=False, since=NOW)


def phone(truth: Truth, reason: Reason) -> Report:
    registered = Condition(ConditionType.REGISTERED, truth, reason, "no phone has registered")
    return Report(Key("Extension", "cabin-1"), "uid", 1, (registered,))


def session(at: datetime = NOW, **more: Any) -> Session:
    return Session("lift-1", 1, "g1", more.get("address", "192.0.2.7"), more.get("firmware"), (), at, at, None, at)


def seen(facts: Facts, now: datetime = NOW, **spec: Any) -> dict[str, tuple[str, str]]:
    of = lifts(lift(**spec))["lift-1"]
    return {str(each.type): (str(each.status), str(each.reason)) for each in status.conditions(of, facts, now)}


SERVED = Facts(since=5, serves=5)
READY = {
    "a gateway serves it": (SERVED, {}, ("True", "Served")),
    "a gateway serves an older view": (Facts(since=6, serves=5), {}, ("Unknown", "Unknown")),
    "there is no gateway": (Facts(since=5), {}, ("False", "NoGateway")),
    "it has no token": (SERVED, {"tokenSecretRef": None}, ("False", "NoToken")),
    "the store is away": (Facts(since=5, serves=5, trouble="no connection"), {}, ("Unknown", "StoreUnavailable")),
}


@pytest.mark.parametrize(("facts", "spec", "ready"), READY.values(), ids=READY.keys())
def test_ready_means_that_a_gateway_lets_it_in(facts: Facts, spec: dict[str, Any], ready: tuple[str, str]) -> None:
    assert seen(facts, **spec)["Ready"] == ready


OTHERS = {
    "it never connected": (SERVED, {}, "Online", ("False", "NeverConnected")),
    "it is online": (Facts(presence=ONLINE), {}, "Online", ("True", "Online")),
    "it is offline": (Facts(presence=OFFLINE), {}, "Online", ("False", "Offline")),
    "two devices": (Facts(twin=True), {}, "Conflict", ("True", "TwoDevices")),
    "its phone is there": (
        Facts(phone=phone(Truth.TRUE, Reason.REGISTERED)), CABIN, "PhoneReachable", ("True", "Registered"),
    ),
    "its phone is not there": (
        Facts(phone=phone(Truth.FALSE, Reason.NO_CONTACT)), CABIN, "PhoneReachable", ("False", "NoContact"),
    ),
    "nobody has asked for its phone": (SERVED, CABIN, "PhoneReachable", ("Unknown", "Unknown")),
    "a test call in time": (
        Facts(telephone=Telephone("lift-1", NOW - 100 * HOUR, NOW - 71 * HOUR)), CABIN,
        "TestCallCurrent", ("True", "TestCallRecent"),
    ),
    "no test call in time": (
        Facts(telephone=Telephone("lift-1", NOW - 100 * HOUR, NOW - 72 * HOUR)), CABIN,
        "TestCallCurrent", ("False", "TestCallOverdue"),
    ),
    "none yet, and the first is not due": (
        Facts(telephone=Telephone("lift-1", NOW - 71 * HOUR)), CABIN, "TestCallCurrent", ("Unknown", "Unknown"),
    ),
    "none ever": (
        Facts(telephone=Telephone("lift-1", NOW - 72 * HOUR)), CABIN, "TestCallCurrent", ("False", "TestCallOverdue"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "spec", "kind", "found"), OTHERS.values(), ids=OTHERS.keys())
def test_each_condition_says_what_is_so(facts: Facts, spec: dict[str, Any], kind: str, found: tuple[str, str]) -> None:
    assert seen(facts, **spec)[kind] == found


def test_a_device_without_a_telephone_says_nothing_of_one() -> None:
    assert seen(SERVED).keys() == {"Ready", "Online"}


def test_a_disabled_device_says_only_how_its_telephone_is() -> None:
    assert seen(SERVED, enabled=False, **CABIN).keys() == {"PhoneReachable", "TestCallCurrent"}


def test_an_alarm_and_a_test_call_are_in_the_status() -> None:
    telephone = Telephone("lift-1", NOW, NOW, None, "Answered", NOW, NOW)
    found = status.fields(Facts(telephone=telephone))
    assert found["alarm"] == {"state": "Answered", "since": "2026-04-03T08:30:00Z"}
    assert found["lastTestCallAt"] == "2026-04-03T08:30:00Z"


def written(said: ServiceReport, before: dict[str, Any]) -> dict[str, Any]:
    """The status as a front door writes it."""
    return status_of(Report(Key("ElevatorDevice", "lift-1"), "uid", 1, said.conditions, said.fields), before, NOW)


def report(facts: Facts, before: ServiceReport | None) -> ServiceReport | None:
    of = lifts(lift())["lift-1"]
    return status.restate(status.conditions(of, facts, NOW), status.fields(facts), before)


def test_another_connection_alone_writes_no_status_and_rides_along_with_what_does() -> None:
    first = Facts(1, 1, presence=ONLINE, session=session())
    never = report(Facts(1, 1), None)
    assert never is not None
    said = report(first, never)
    assert said is not None
    later = session(NOW + HOUR, address="192.0.2.99")
    assert report(Facts(1, 1, presence=ONLINE, session=later), said) is None
    gone = report(Facts(1, 1, presence=OFFLINE, session=later), said)
    assert gone is not None
    assert (gone.fields["address"], gone.fields["lastSeenAt"]) == ("192.0.2.99", "2026-04-03T09:30:00Z")


def test_a_leader_that_starts_writes_no_status_for_a_device_that_reconnected_meanwhile() -> None:
    never = report(Facts(1, 1), None)
    assert never is not None
    said = report(Facts(1, 1, presence=ONLINE, session=session(firmware="3.1")), never)
    assert said is not None
    before = written(said, {})
    later = session(NOW + HOUR, address="192.0.2.99", firmware="3.1")
    anew = report(Facts(1, 1, presence=ONLINE, session=later), None)
    assert anew is not None
    assert written(anew, before) == before
    assert before["address"] == "192.0.2.7"
