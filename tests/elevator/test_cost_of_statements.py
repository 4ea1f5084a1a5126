"""What statements cost PostgreSQL after a storm of connects: it planned them when the table was empty, and has no statistics."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from dialplane.services.elevator.tables import commands, sessions
from dialplane.services.elevator.tables.commands import NewCommand
from dialplane.services.elevator.tables.sessions import Connect, Heard, Introduction
from dialplane.store import Store
from tests.databases import NOW

SITE, REPLICA = "lifts", "replica"
NAMES = [f"lift-{number}" for number in range(1_000)]
SOME = NAMES[:100]
PLANNED_AFTER = 12
"""So often is a statement run until its plan is kept."""
READ = sa.text(
    "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'device_sessions'"
)

Work = Callable[[Store, list[str], dict[str, int]], object]


def claim(store: Store, names: list[str], epochs: dict[str, int]) -> None:
    wanted = [NewCommand(name, "STATUS", False, {}, "desk", name, deadline=NOW.replace(year=2099)) for name in names]
    commands.queue(store, SITE, wanted, now=NOW)
    claimed = commands.claim(store, SITE, REPLICA, epochs, now=NOW)
    assert {(each.device, each.sends) for each in claimed} == {(name, 1) for name in names if name in epochs}


def introduce(store: Store, names: list[str], epochs: dict[str, int]) -> None:
    said = [Introduction(name, epochs.get(name, 1), "2.4.1", ("ack",)) for name in names]
    sessions.introduce(store, SITE, said, now=NOW)


def note_heard(store: Store, names: list[str], epochs: dict[str, int]) -> None:
    sessions.note_heard(store, SITE, [Heard(name, epochs.get(name, 1), NOW) for name in names])


def close_all(store: Store, names: list[str], epochs: dict[str, int]) -> None:
    sessions.close_all(store, SITE, [Heard(name, epochs.get(name, 1), NOW) for name in names], now=NOW)


def get(store: Store, names: list[str], epochs: dict[str, int]) -> None:
    assert sessions.get(store, SITE, names).keys() == {name for name in names if name in epochs}


@pytest.mark.parametrize("work", [claim, introduce, note_heard, close_all, get])
def test_the_sessions_of_others_are_not_read(postgres_url: str, work: Work) -> None:
    store = Store.open(postgres_url)
    for number in range(PLANNED_AFTER):
        work(store, [f"early-{number}"], {})
    connects = [Connect(name, "192.0.2.1", NOW) for name in NAMES]
    opened = sessions.open_all(store, SITE, REPLICA, connects, now=NOW)
    work(store, SOME, {name: each.epoch for name, each in opened.items()})
    store.close()  # so that PostgreSQL has all that it counted
    other = Store.open(postgres_url)
    with other.read() as connection:
        read = connection.execute(READ).scalar_one()
    other.close()
    assert read <= 5 * len(NAMES), "it looks through all sessions for each device"
