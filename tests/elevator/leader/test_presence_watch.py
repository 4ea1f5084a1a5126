"""Each change of presence is written once, with its callback; a restart of anybody changes nothing."""

from collections.abc import Callable

import pytest

from dialplane.resources.manifest import Resource
from dialplane.services.elevator.leader.presence_watch import PresenceWatch
from dialplane.services.elevator.tables import sessions
from dialplane.services.elevator.tables.sessions import Heard
from dialplane.store import Store
from tests.elevator.leader.lifts import (
    SITE,
    Clock,
    KnownReplicas,
    callbacks_of,
    connect,
    disconnect,
    journal_of,
    lift,
    lifts,
)

CALLBACK = {"statusUrl": "https://backend.example.com/api/device/status"}
NAMES = ["lift-1", "lift-2", "lift-3"]
ON, OFF = ("lift-1", "online"), ("lift-1", "offline")


def told(status: str, at: str) -> dict[str, str]:
    return {"device_id": "lift-1", "status": status, "timestamp": at}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replicas() -> KnownReplicas:
    return KnownReplicas()


@pytest.fixture
def watch(store: Store, clock: Clock, replicas: KnownReplicas) -> Callable[..., PresenceWatch]:
    """A leader that starts now; by default with one device."""

    def start(*resources: Resource, leads: Callable[[], bool] = lambda: True) -> PresenceWatch:
        known = lifts(*(resources or (lift(callback=CALLBACK),)))
        return PresenceWatch(store, SITE, lifts=lambda: known, living=replicas.living, leads=leads, now=clock)

    return start


async def looks(watch: PresenceWatch, clock: Clock, seconds: int) -> None:
    """One look a second."""
    for _ in range(seconds):
        clock.move(seconds=1)
        await watch.look()


@pytest.mark.databases
async def test_a_change_is_written_once_with_what_follows_from_it(
    store: Store, clock: Clock, watch: Callable[..., PresenceWatch]
) -> None:
    leader = watch()
    epochs = connect(store, clock, "lift-1")
    await looks(leader, clock, 3)
    assert journal_of(store) == [ON]
    assert callbacks_of(store) == [told("online", "2026-04-03T08:30:01Z")]
    disconnect(store, clock, epochs)
    await looks(leader, clock, 29)
    assert journal_of(store) == [ON]
    await looks(leader, clock, 5)
    assert journal_of(store) == [ON, OFF]
    assert callbacks_of(store)[1:] == [told("offline", "2026-04-03T08:30:33Z")]
    assert leader.presence["lift-1"].online is False


async def test_a_gateway_that_restarts_with_its_devices_back_in_time_changes_nothing(
    store: Store, clock: Clock, replicas: KnownReplicas, watch: Callable[..., PresenceWatch]
) -> None:
    leader = watch(*(lift(name, callback=CALLBACK) for name in NAMES))
    epochs = connect(store, clock, *NAMES)
    await looks(leader, clock, 2)
    before = journal_of(store), callbacks_of(store)
    disconnect(store, clock, epochs)
    replicas.alive = frozenset()
    await looks(leader, clock, 25)
    replicas.alive = frozenset({"g2"})
    connect(store, clock, *NAMES, replica="g2")
    await looks(leader, clock, 90)
    assert (journal_of(store), callbacks_of(store)) == before
    assert len(before[0]) == len(before[1]) == 3


async def test_a_gateway_that_is_killed_changes_nothing_for_devices_that_come_back_in_time(
    store: Store, clock: Clock, replicas: KnownReplicas, watch: Callable[..., PresenceWatch]
) -> None:
    leader = watch(*(lift(name) for name in NAMES))
    connect(store, clock, *NAMES)
    await looks(leader, clock, 55)  # what the store has of them is nearly a minute old
    replicas.alive = frozenset({"g2"})
    await looks(leader, clock, 15)
    connect(store, clock, "lift-1", "lift-2", replica="g2")
    await looks(leader, clock, 60)
    assert journal_of(store, "offline") == [("lift-3", "offline")]
    assert sessions.get(store, SITE, ["lift-3"])["lift-3"].closed_at is not None


async def test_a_leader_that_restarts_changes_nothing_and_misses_nothing(
    store: Store, clock: Clock, replicas: KnownReplicas, watch: Callable[..., PresenceWatch]
) -> None:
    both = [lift(name) for name in NAMES[:2]]
    leader = watch(*both)
    epochs = connect(store, clock, *NAMES[:2])
    await looks(leader, clock, 2)
    disconnect(store, clock, {"lift-1": epochs["lift-1"]})
    clock.move(minutes=10)  # nobody leads
    sessions.note_heard(store, SITE, [Heard("lift-2", epochs["lift-2"], clock())])
    replicas.alive = None
    leader = watch(*both)
    await looks(leader, clock, 5)
    assert journal_of(store, "offline") == []  # nobody has looked who lives
    replicas.alive = frozenset({"g1"})
    await looks(leader, clock, 29)
    assert journal_of(store, "offline") == []
    await looks(leader, clock, 60)
    assert journal_of(store, "offline") == [OFF]
    leader = watch(*both)
    await looks(leader, clock, 60)
    assert len(journal_of(store)) == 3


async def test_a_device_that_came_and_went_while_nobody_looked_was_never_online_for_anybody(
    store: Store, clock: Clock, watch: Callable[..., PresenceWatch]
) -> None:
    disconnect(store, clock, connect(store, clock, "lift-1"))
    clock.move(hours=1)
    leader = watch()
    await looks(leader, clock, 40)
    assert leader.presence["lift-1"].online is False
    assert (journal_of(store), callbacks_of(store)) == ([], [])


async def test_an_outage_of_the_store_is_no_silence(
    store: Store, clock: Clock, replicas: KnownReplicas, watch: Callable[..., PresenceWatch]
) -> None:
    leader = watch()
    epochs = connect(store, clock, "lift-1")
    await looks(leader, clock, 2)
    clock.move(minutes=10)
    leader.interrupt()
    replicas.alive = frozenset()  # their leases are over: they could not renew them
    await looks(leader, clock, 5)
    replicas.alive = frozenset({"g1"})
    await looks(leader, clock, 40)
    sessions.note_heard(store, SITE, [Heard("lift-1", epochs["lift-1"], clock())])
    await looks(leader, clock, 200)
    assert journal_of(store) == [ON]


async def test_who_does_not_lead_writes_nothing_and_catches_up(
    store: Store, clock: Clock, watch: Callable[..., PresenceWatch]
) -> None:
    leading = False
    leader = watch(leads=lambda: leading)
    connect(store, clock, "lift-1")
    await looks(leader, clock, 5)
    assert journal_of(store) == []
    leading = True
    await looks(leader, clock, 2)
    assert journal_of(store) == [ON]


async def test_a_gateway_whose_clock_is_wrong_is_seen_all_the_same(
    store: Store, clock: Clock, watch: Callable[..., PresenceWatch]
) -> None:
    leader = watch()
    await looks(leader, clock, 3)
    connect(store, Clock(clock.time.replace(minute=29)), "lift-1")
    await looks(leader, clock, 185)
    assert journal_of(store) == [ON]
