"""What others than the product know of a site of devices: PostgreSQL, the program that is told, the status file."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from testbed.device_site import DeviceSite
from testbed.devices.peer import Devices

MARGIN_SECONDS: Final = 5.0
"""After the last moment at which somebody could be thought offline."""
_SETTLE_SECONDS: Final = 60.0
_CALM_SECONDS: Final = 2.0
_CALM_WRITES: Final = 4
"""Transactions a second."""
_BY_THE_CLOCK: Final = frozenset({"lastSeenAt"})
"""Status fields that change with time."""
_WRITTEN: Final = (
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
)
_COUNTED: Final = "SELECT count(*) FROM events"


@dataclass(frozen=True, slots=True)
class Page:
    """What is in the books at a moment."""

    at: float
    written: int
    """Transactions that wrote, since the database was made."""
    wal: int
    """Bytes that were written ahead."""
    events: int
    callbacks: int


class Books:
    """The books of one site."""

    def __init__(self, site: DeviceSite) -> None:
        """Keep those of `site`, whose database is PostgreSQL."""
        self.site = site
        self._url = site.store_url.replace("postgresql+psycopg:", "postgresql:")

    async def now(self) -> Page:
        """Read them."""
        ((written, wal),) = await self.ask(_WRITTEN)
        ((events,),) = await self.ask(_COUNTED)
        return Page(time.monotonic(), written, wal, events, len(self.site.back_end.told))

    async def settled(self) -> Page:
        """Wait until hardly anything is written any more, a minute at most: what came before is dealt with."""
        end, page = time.monotonic() + _SETTLE_SECONDS, await self.now()
        while time.monotonic() < end:
            await asyncio.sleep(_CALM_SECONDS)
            before, page = page, await self.now()
            if page.written - before.written <= _CALM_SECONDS * _CALM_WRITES and page.callbacks == before.callbacks:
                break
        return page

    async def ask(self, query: str) -> list[Any]:
        """The rows of a query; many statements at once give those of none."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            cursor = await connection.execute(query.encode())
            return await cursor.fetchall() if cursor.description else []

    async def statuses(self) -> dict[str, str]:
        """What is reported of each device, but for what changes with the clock."""
        entries = await asyncio.to_thread(self.site.statuses)
        return {
            name: json.dumps({key: value for key, value in entry.get("status", {}).items() if key not in _BY_THE_CLOCK})
            for name, entry in entries.items()
        }


@dataclass(frozen=True, slots=True)
class Restart:
    """What the restart of a gateway came to."""

    back_seconds: float
    """From its end until the last device was back."""
    callbacks: int
    events: int
    statuses: int
    """Statuses that are others now."""

    @property
    def told(self) -> int:
        """How often somebody heard of it."""
        return self.callbacks + self.events + self.statuses


async def restart(books: Books, fleet: Devices, count: int, *, timeout_seconds: float) -> Restart:
    """Start the first gateway again, and wait for its devices and until none could be thought offline any more."""
    gateway = books.site.gateways[0]
    before, statuses = await books.settled(), await books.statuses()
    began = time.monotonic()
    await gateway.stop()
    await gateway.start()
    while (await fleet.counts())["open"] < count:
        if time.monotonic() > began + 10 * timeout_seconds:
            raise TimeoutError(f"devices are not back: {await fleet.counts()}")
        await asyncio.sleep(0.1)
    back_seconds = time.monotonic() - began
    await asyncio.sleep(max(began + timeout_seconds + MARGIN_SECONDS - time.monotonic(), 0))
    after, then = await books.now(), await books.statuses()
    return Restart(
        back_seconds,
        after.callbacks - before.callbacks,
        after.events - before.events,
        sum(then.get(name) != status for name, status in statuses.items()),
    )
