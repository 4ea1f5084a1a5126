"""Hints that the store has something new for another process: they carry no data, and may be lost.

On PostgreSQL they are its notifications. Most are sent in a transaction of their own after the commit of what they are
about: transactions with a NOTIFY wait for each other to commit. Where few are made, and milliseconds count,
`notify_within` puts it into the transaction itself. On SQLite a hint reaches this process only. So all who follow
something also look for themselves, every `poll_seconds`.
"""

import asyncio
from collections import defaultdict
from enum import StrEnum
from typing import Any, Final

import psycopg
import sqlalchemy as sa
import structlog
from psycopg import sql

from dialplane.store.engine import Store
from dialplane.tasks import Backoff, keep_running

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(0.5, 10, least=0.5)
HEALTHY_AFTER: Final = 30.0


class Channel(StrEnum):
    """What there is something new of; also the channel's name in PostgreSQL."""

    VIEWS = "dialplane_views"
    STATES = "dialplane_states"
    DEVICES = "dialplane_devices"
    """The sessions, commands, pictures or callbacks of devices changed."""


def replica_channel(replica: str) -> str:
    """Return the channel of one process among the replicas of a site, for what concerns it alone."""
    return f"dialplane_replica_{replica[-8:]}"


class Hints:
    """The hints of one process about one site."""

    def __init__(self, store: Store, site: str) -> None:
        self._store = store
        self._site = site
        self._across = store.engine.dialect.name == "postgresql"
        self._waiting: dict[str, list[asyncio.Event]] = defaultdict(list)

    @property
    def poll_seconds(self) -> float:
        """How often to look without a hint."""
        return 2.0 if self._across else 1.0

    def subscribe(self, channel: str) -> asyncio.Event:
        """Return an event that each hint of a `Channel` or `replica_channel` sets; who waits for it clears it.

        Subscribe before `run` begins, or at the latest when it connects again.
        """
        event = asyncio.Event()
        self._waiting[channel].append(event)
        return event

    def reaches(self, channel: str) -> bool:
        """Return whether somebody in this process follows it: who alone does needs no notification."""
        return channel in self._waiting

    def wake(self, channel: str) -> None:
        """Hand on, in this process, a hint of what was committed before."""
        for event in self._waiting.get(channel, ()):
            event.set()

    async def send(self, channel: str) -> None:
        """Send a hint of what was committed before.

        Raises:
            StoreError: it reached this process only.
        """
        self.wake(channel)
        if self._across:
            await self._store.call(_notify, channel, self._site)

    async def run(self) -> None:
        """Receive the hints of other processes until cancelled."""
        if not self._across:
            await asyncio.Event().wait()

        def note(error: Exception, wait: float) -> None:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            log.warning("hints interrupted", store=str(self._store), reason=reason, retry_seconds=round(wait, 1))

        await keep_running(
            self._listen,
            errors=(psycopg.Error, OSError),
            backoff=BACKOFF,
            on_error=note,
            healthy_after=HEALTHY_AFTER,
        )

    async def _listen(self) -> None:
        arguments: dict[str, Any] = self._store.libpq_arguments()
        async with await psycopg.AsyncConnection.connect(**arguments, autocommit=True) as connection:
            for channel in self._waiting:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            for channel in self._waiting:  # what was sent while nobody listened
                self.wake(channel)
            async for notification in connection.notifies():
                if notification.payload == self._site:
                    self.wake(notification.channel)


def notify_within(connection: sa.Connection, channel: str, site: str) -> None:
    """Send a hint with the commit of the caller's transaction; nothing on SQLite: `Hints.wake` after it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(channel, site)))


def _notify(store: Store, channel: str, site: str) -> None:
    with store.write() as connection:
        notify_within(connection, channel, site)
