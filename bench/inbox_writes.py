"""How fast messages come into the inbox, each with its event, against a bare loop that inserts the same rows.

Each into a database of its own with the same tables and indices, and the same word for durable: a message that was
deleted from the spool must not be lost in a power cut.
"""

import asyncio
import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.results import InboxWrites
from dialplane.services.sms.inbox import told
from dialplane.services.sms.tables import inbox
from dialplane.services.sms.tables.inbox import Received
from dialplane.store import Store
from testbed.postgres import Postgres

BATCHES: Final = (1, 100)
"""Messages in one transaction."""
_SITE: Final = "bench"
_NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_INBOX: Final = ("id", "site", "dongle", "sender", "text", "received_at", "stored_at", "truncated", "damaged")
_EVENT: Final = ("site", "type", "subject_kind", "subject_name", "at", "data", "fanned_out")

Messages = Sequence[Received]
Write = Callable[[Messages], object]


async def measure(directory: Path, *, seconds: float) -> list[InboxWrites]:
    """Each database, singly and batched, so many seconds for ours and as many for the bare loop."""
    await asyncio.to_thread(directory.mkdir)
    found = []
    for batch in BATCHES:
        url, bare = (f"sqlite:///{directory}/{name}-{batch}.db" for name in ("ours", "bare"))
        found.append(await asyncio.to_thread(_compare, "SQLite", batch, url, bare, seconds))
    async with Postgres(directory / "postgres", durable=True) as server:
        for batch in BATCHES:
            url, bare = [await server.database() for _ in range(2)]
            found.append(await asyncio.to_thread(_compare, "PostgreSQL", batch, url, bare, seconds))
    return found


def _compare(database: str, batch: int, url: str, bare_url: str, seconds: float) -> InboxWrites:
    Store.open(bare_url).close()  # makes the tables
    with contextlib.closing(Store.open(url)) as store:
        ours = _pace(lambda messages: inbox.add(store, {m: [told(m, ["office"])] for m in messages}), batch, seconds)
    bare = _bare_sqlite if database == "SQLite" else _bare_postgres
    with bare(bare_url) as write:
        its = _pace(write, batch, seconds)
    return InboxWrites(database=database, batch=batch, per_second=ours, bare_per_second=its)


def _pace(write: Write, batch: int, seconds: float) -> float:
    """Messages a second."""
    serial, rows, began = itertools.count(), 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        write([_message(next(serial)) for _ in range(batch)])
        rows += batch
    return rows / (time.perf_counter() - began)


def _message(serial: int) -> Received:
    name = inbox.derived_id(_SITE, f"pbx-{serial}", "")
    text = f"Message {serial} of usual length, in two languages 短信"
    return Received(name, _SITE, "gsm-1", "+15550123", text, _NOW, _NOW)


def _rows(messages: Messages, moment: Callable[[datetime], Any]) -> tuple[list[Any], list[Any]]:
    kept, events = [], []
    for each in messages:
        at = moment(each.received_at)
        kept.append((each.id, each.site, each.dongle, each.sender, each.text, at, at, False, False))
        event = told(each, ["office"])
        about = (event.site, event.type, event.subject_kind, event.subject_name)
        events.append((*about, at, json.dumps(dict(event.data)), False))
    return kept, events


def _statements(mark: str) -> tuple[str, str]:
    return (
        f"INSERT INTO inbox ({', '.join(_INBOX)}) VALUES ({', '.join(mark for _ in _INBOX)})",  # noqa: S608 -- ours
        f"INSERT INTO events ({', '.join(_EVENT)}) VALUES ({', '.join(mark for _ in _EVENT)})",  # noqa: S608 -- ours
    )


@contextlib.contextmanager
def _bare_sqlite(url: str) -> Iterator[Write]:
    messages, events = _statements("?")
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")

        def write(given: Messages) -> None:
            kept, about = _rows(given, lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f}")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(messages, kept)
            connection.executemany(events, about)
            connection.execute("COMMIT")

        yield write


@contextlib.contextmanager
def _bare_postgres(url: str) -> Iterator[Write]:
    messages, events = _statements("%s")
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:

        def write(given: Messages) -> None:
            kept, about = _rows(given, lambda at: at)
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(messages, kept)
                cursor.executemany(events, about)

        yield write
