"""Sessions and journals of devices in the store."""

from datetime import timedelta

import pytest

from dialplane.services.elevator.tables import journal, sessions
from dialplane.services.elevator.tables.journal import Entry, EntryType, NewEntry
from dialplane.services.elevator.tables.sessions import Connect, Heard, Introduction
from dialplane.store import Store
from tests.databases import NOW

SITE = "office"
HERE, THERE = "gateway-aaaaaaaa", "gateway-bbbbbbbb"
SECOND = timedelta(seconds=1)
pytestmark = pytest.mark.databases


def connect(store: Store, *devices: str, replica: str = HERE) -> dict[str, sessions.Opened]:
    return sessions.open_all(store, SITE, replica, [Connect(each, "192.0.2.1", NOW) for each in devices], now=NOW)


def test_each_connect_takes_the_next_epoch_and_names_whose_the_device_was(store: Store) -> None:
    assert connect(store, "lift-1", "lift-2", "lift-1") == {
        "lift-1": sessions.Opened(1, None),
        "lift-2": sessions.Opened(1, None),
    }
    assert connect(store, "lift-1", replica=THERE) == {"lift-1": sessions.Opened(2, HERE)}
    assert sessions.lost(store, SITE, HERE, NOW) == {"lift-1": 2}
    assert sessions.open_at(store, SITE, HERE) == {"lift-2": 1}
    assert sessions.open_at(store, SITE, THERE) == {"lift-1": 2}


def test_a_late_word_of_an_older_connection_changes_nothing(store: Store) -> None:
    connect(store, "lift-1")
    connect(store, "lift-1")
    before = sessions.get(store, SITE, ["lift-1"])
    later = NOW + 9 * SECOND
    sessions.close_all(store, SITE, [Heard("lift-1", 1, later)], now=later)
    sessions.note_heard(store, SITE, [Heard("lift-1", 1, later)])
    sessions.introduce(store, SITE, [Introduction("lift-1", 1, "9", ("ack",))], now=later)
    assert sessions.get(store, SITE, ["lift-1"]) == before


def test_last_heard_is_written_for_all_at_once_and_never_goes_back(store: Store) -> None:
    connect(store, "lift-1", "lift-2", "lift-3")
    at = {"lift-1": NOW + timedelta(seconds=3, microseconds=7), "lift-2": NOW - SECOND}
    sessions.note_heard(store, SITE, [Heard(name, 1, moment) for name, moment in at.items()])
    sessions.close_all(store, SITE, [Heard("lift-3", 1, NOW + SECOND)], now=NOW + 2 * SECOND)
    found = sessions.get(store, SITE, ["lift-1", "lift-2", "lift-3"])
    assert [each.seen_at for _, each in sorted(found.items())] == [at["lift-1"], NOW, NOW + SECOND]
    assert [each.closed_at for _, each in sorted(found.items())] == [None, None, NOW + 2 * SECOND]


def note(store: Store, device: str, *types: EntryType, at: timedelta = timedelta()) -> None:
    journal.append(
        store, SITE, [NewEntry(device, each, NOW + at, {"text": "a\0b", "n": n}) for n, each in enumerate(types)]
    )


def numbers(entries: tuple[Entry, ...]) -> list[int]:
    return [entry.data["n"] for entry in entries]


def test_a_journal_is_read_from_either_end_by_pages(store: Store) -> None:
    note(store, "lift-1", "connected", "log", "log", "state", "log")
    note(store, "lift-2", "log")
    first = journal.page(store, SITE, "lift-1", limit=2)
    rest = journal.page(store, SITE, "lift-1", limit=9, before=first.next)
    assert numbers(first.entries + rest.entries) == [4, 3, 2, 1, 0]
    oldest = journal.page(store, SITE, "lift-1", limit=2, after=0, types=["log"])
    assert numbers(oldest.entries) == [1, 2]
    assert oldest.entries[0].data["text"] == "a\0b"
    assert numbers(journal.page(store, SITE, "lift-1", limit=2, after=oldest.next, types=["log"]).entries) == [4]


def test_a_journal_is_bounded_by_age_and_by_number(store: Store) -> None:
    note(store, "lift-1", "log", "log")
    note(store, "lift-2", "log", at=-timedelta(days=40))
    note(store, "lift-1", "log", "log", "log", "log", at=SECOND)
    assert journal.prune(store, SITE, now=NOW, older_than=timedelta(days=30), more_than=5) == 2
    assert numbers(journal.page(store, SITE, "lift-1", limit=9).entries) == [3, 2, 1, 0, 1]
    assert journal.page(store, SITE, "lift-2", limit=9).entries == ()
