"""What is overdue ends, what is old goes."""

from datetime import timedelta

import pytest

from dialplane.services.elevator.leader.sweep import GONE_KEPT, JOURNAL_KEPT, Sweep
from dialplane.services.elevator.tables import journal, sessions, telephones
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.store import Store
from tests.elevator.leader.lifts import SITE, Clock, connect, journal_of


@pytest.mark.databases
async def test_what_is_old_is_forgotten_and_a_device_that_is_there_no_more(store: Store) -> None:
    clock = Clock()
    connect(store, clock, "here", "gone")
    telephones.raise_alarm(store, SITE, "gone", clock())
    journal.append(store, SITE, [NewEntry("here", "log", clock(), {"text": "hello"})])
    sweep = Sweep(store, SITE, present=lambda: ["here"], leads=lambda: True, now=clock)
    clock.move(seconds=GONE_KEPT.total_seconds())
    await sweep.prune()
    assert sessions.get(store, SITE, ["here", "gone"]).keys() == {"here", "gone"}
    clock.move(seconds=1)
    await sweep.prune()
    assert sessions.get(store, SITE, ["here", "gone"]).keys() == {"here"}
    assert telephones.get(store, SITE) == {}
    assert journal_of(store) == [("here", "log")]
    clock.time += JOURNAL_KEPT - GONE_KEPT + timedelta(seconds=1)
    await sweep.prune()
    assert journal_of(store) == []


async def test_while_nobody_has_the_devices_none_is_forgotten(store: Store) -> None:
    clock = Clock()
    connect(store, clock, "here")
    clock.move(days=30)
    await Sweep(store, SITE, present=lambda: None, leads=lambda: True, now=clock).prune()
    assert sessions.get(store, SITE, ["here"]).keys() == {"here"}
