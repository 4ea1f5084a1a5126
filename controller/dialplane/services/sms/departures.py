"""Which messages have left their modem: the driver does not say so where a delivery report was asked for.

A modem that was in service all the time and has an empty queue has sent what it took. If it could not, it reported so
before its queue was empty; such a report counts for more.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from dialplane.services.sms.modems import Fleet
from dialplane.services.sms.tables import outgoing_parts
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.store import Store, StoreError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of one modem."""

    since: datetime
    """It was in service, without a break, from then on."""
    empty: datetime | None = None
    """Its queue was empty then, at the last look."""


@dataclass(frozen=True, slots=True)
class Departure:
    """All that a modem took between two moments was sent."""

    dongle: str
    since: datetime
    until: datetime


class Departures:
    """Follows the queues of a site's modems."""

    def __init__(self, store: Store, site: str, became: Callable[[Outgoing], None]) -> None:
        """`became` hears what became of a message."""
        self._store = store
        self._site = site
        self._became = became
        self._watched: dict[str, Watched] = {}
        self._owed: dict[str, datetime] = {}
        self._noting: set[asyncio.Task[None]] = set()

    def took(self, dongle: str, at: datetime) -> None:
        """A modem took a message."""
        self._owed[dongle] = at

    def look(self, fleet: Fleet, now: datetime) -> list[Departure]:
        """After each look at the modems: what they have sent. Only the second look at an empty queue tells."""
        before, self._watched, found = self._watched, {}, []
        for name, modem in fleet.modems.items():
            if modem.fault is not None:
                continue
            watched = before.get(name)
            if watched is None or fleet.interrupted is None or name in fleet.interrupted:
                watched = Watched(now)
            elif watched.empty is not None and modem.tasks_queued == 0 and name in self._owed:
                found.append(Departure(name, watched.since, watched.empty))
                if self._owed[name] < watched.empty:
                    del self._owed[name]
            self._watched[name] = replace(watched, empty=fleet.asked_at if modem.tasks_queued == 0 else None)
        return found

    def note(self, fleet: Fleet) -> None:
        """The same, written down in a while."""
        for departure in self.look(fleet, datetime.now(UTC)):
            task = asyncio.create_task(self._note(departure), name=f"departed {departure.dongle}")
            self._noting.add(task)
            task.add_done_callback(self._noting.discard)

    async def _note(self, departure: Departure) -> None:
        try:
            gone = await self._store.call(
                outgoing_parts.departed,
                self._site,
                departure.dongle,
                since=departure.since,
                until=departure.until,
            )
        except StoreError as error:
            log.info("messages that were sent are not noted", dongle=departure.dongle, error=str(error))
            self._owed.setdefault(departure.dongle, departure.until)
            return
        for message in gone:
            self._became(message)
