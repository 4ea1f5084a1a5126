"""The writer of calls: few transactions, nothing lost but by its bound, and everything written at the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from dialplane.services.voicebot.bot import call_writer
from dialplane.services.voicebot.bot.call_writer import CallWriter
from dialplane.services.voicebot.tables import call_changes, calls, turns
from dialplane.services.voicebot.tables.call_changes import CallChanges
from dialplane.services.voicebot.tables.calls import CallFilter, CallOutcome
from dialplane.store import Store, StoreError, StoreUnavailable
from dialplane.tasks import Backoff
from tests.databases import NOW
from tests.eventually import eventually
from tests.voicebot.calls_made import SITE, call, events, turn, turns_kept


@dataclass
class Database:
    """The database as the writer gets it: away, or refusing somebody's calls, where a test says so."""

    batches: list[CallChanges] = field(default_factory=list)
    away: bool = False
    refuses: str = ""
    surprises: bool = False

    def write(self, store: Store, site: str, changes: CallChanges) -> int:
        if self.away:
            raise StoreUnavailable("the database is away")
        if any(each.id == self.refuses for each in changes.begun):
            raise StoreError("this row is none") if len(changes.begun) > 1 or not self.surprises else KeyError("?")
        self.batches.append(changes)
        return self._write(store, site, changes)

    _write = staticmethod(call_changes.write)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(call_changes, "write", made.write)
    monkeypatch.setattr(call_writer, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(call_writer, "BACKOFF", Backoff(0.01, 0.02))
    return made


@asynccontextmanager
async def running(store: Store, **more: Any) -> AsyncIterator[CallWriter]:
    writer = CallWriter(store, SITE, now=lambda: NOW + timedelta(seconds=60), **more)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def outcomes(store: Store) -> dict[str, CallOutcome | None]:
    return {each.id: each.outcome for each in calls.page(store, SITE, CallFilter(), limit=200).calls}


async def test_what_is_said_at_once_is_one_transaction(store: Store, database: Database) -> None:
    async with running(store) as writer:
        for number in range(50):
            writer.begin(call(f"c-{number}"))
            writer.turn(f"c-{number}", 1, turn())
        writer.end("c-7", CallOutcome.TRANSFERRED, target="desk", variables={"name": "Ada"})
        await eventually(lambda: len(outcomes(store)) == 50)
        assert len(database.batches) == 1
    found = calls.get(store, SITE, "c-7")
    assert found is not None
    assert (found.outcome, found.target, found.variables) == (CallOutcome.TRANSFERRED, "desk", {"name": "Ada"})
    assert found.ended_at == NOW + timedelta(seconds=60)
    assert [kind for kind, *_ in events(store)] == ["voicebot.call"]


async def test_while_the_database_is_away_everything_waits(store: Store, database: Database) -> None:
    async with running(store) as writer:
        database.away = True
        writer.begin(call("c-1"))
        writer.turn("c-1", 1, turn())
        await asyncio.wait_for(_failed(writer), 10)
        writer.end("c-1", CallOutcome.HUNG_UP)
        assert outcomes(store) == {}
        database.away = False
        await eventually(lambda: outcomes(store) == {"c-1": CallOutcome.HUNG_UP})
        assert turns_kept(store) == 1


async def test_a_process_that_is_to_end_can_wait_until_all_is_written(store: Store, database: Database) -> None:
    async with running(store) as writer:
        database.away = True
        writer.begin(call("c-1"))
        writer.end("c-1", CallOutcome.COMPLETED)
        settling = asyncio.create_task(writer.settle())
        await asyncio.wait_for(_failed(writer), 10)
        assert not settling.done()
        database.away = False
        await asyncio.wait_for(settling, 20)
        assert outcomes(store) == {"c-1": CallOutcome.COMPLETED}


async def _failed(writer: CallWriter) -> None:
    while not writer._failures:
        await asyncio.sleep(0)


async def test_beyond_the_bound_the_oldest_turns_go_and_no_call(store: Store, database: Database) -> None:
    database.away = True
    writer = CallWriter(store, SITE, most=10)
    for number in range(4):
        writer.begin(call(f"c-{number}"))
    for number in range(1, 10):
        writer.turn("c-0", number, turn(text=f"{number}"))
    writer.end("c-0", CallOutcome.COMPLETED)
    assert writer.waiting == 10
    database.away = False
    await writer._flush()
    assert outcomes(store) == {"c-0": CallOutcome.COMPLETED, **dict.fromkeys(["c-1", "c-2", "c-3"])}
    assert [each.text for each in turns.of_call(store, SITE, "c-0")] == ["5", "6", "7", "8", "9"]


@pytest.mark.parametrize("surprises", [False, True])
async def test_one_call_that_the_database_refuses_costs_no_other(
    store: Store, database: Database, surprises: bool
) -> None:
    database.refuses, database.surprises = "bad", surprises
    async with running(store) as writer:
        for name in ("good", "bad", "fine"):
            writer.begin(call(name))
            writer.turn(name, 1, turn())
        await eventually(lambda: outcomes(store) == {"good": None, "fine": None})
        await eventually(lambda: turns_kept(store) == 2)


@pytest.mark.usefixtures("database")
async def test_what_waits_at_the_end_is_written(store: Store) -> None:
    async with running(store) as writer:
        writer.begin(call("c-1"))
        await eventually(lambda: "c-1" in outcomes(store))
        writer.turn("c-1", 1, turn())
        writer.end("c-1", CallOutcome.COMPLETED)
    assert outcomes(store) == {"c-1": CallOutcome.COMPLETED}
    assert turns_kept(store) == 1


async def test_the_end_waits_for_no_database(store: Store, database: Database) -> None:
    async with asyncio.timeout(10):
        async with running(store) as writer:
            database.away = True
            writer.begin(call("c-1"))
            await _failed(writer)
    assert writer.waiting == 1
