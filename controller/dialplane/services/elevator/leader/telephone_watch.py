"""Supervises the emergency telephones: notices each alarm, and each test call that is missing, once."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.leader.status import due_at, overdue_message
from dialplane.services.elevator.leader.telephone_book import notify_alarms, notify_overdue
from dialplane.services.elevator.tables import telephones
from dialplane.services.elevator.tables.telephones import Telephone
from dialplane.store import Store

log = structlog.get_logger(__name__)

MARGIN: Final = timedelta(seconds=10)
"""How far the clocks of gateways may be from the leader's for a change to be seen at once; an alarm always is."""
SCAN: Final = timedelta(seconds=10)
"""How often all are looked at for test calls that have become overdue."""
FULL: Final = timedelta(minutes=3)
"""How often everything is looked at."""


class TelephoneWatch:
    """The telephones of the devices of one site, by the leader."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        lifts: Callable[[], Mapping[str, Lift]],
        leads: Callable[[], bool],
        notified: Callable[[Collection[str]], None],
        now: Callable[[], datetime],
    ) -> None:
        """Name the site.

        Args:
            store: the database.
            site: the namespace.
            lifts: the devices that there are, by name.
            leads: whether this process may write.
            notified: called with the devices of which an event was written.
            now: the clock.
        """
        self._store = store
        self._site = site
        self._lifts = lifts
        self._leads = leads
        self._notified = notified
        self._now = now
        self.telephones: dict[str, Telephone] = {}
        """What is recorded, by device."""
        self.loaded = False
        """Whether that was read."""
        self._expected: frozenset[str] | None = None
        self._seen: Mapping[str, Lift] | None = None
        self._looked_at: datetime | None = None
        self._full_at: datetime | None = None
        self._scanned_at: datetime | None = None
        self._rung: set[str] = set()

    def interrupt(self) -> None:
        """Note that the store was away: look at everything next."""
        self._full_at = None

    async def look(self) -> frozenset[str]:
        """Look at what changed, and notify; return the devices of which something is new.

        Raises:
            StoreError: look again.
        """
        now = self._now()
        await self._expect(now)
        changed = await self._read(now)
        if not self._leads():
            return changed
        notified = await self._notify_alarms(now)
        if changed or self._scanned_at is None or now - self._scanned_at >= SCAN:
            self._scanned_at = now
            notified += await self._notify_overdue(now)
        if notified:
            changed |= await self._read(now)
        if changed:
            self._measure()
        return changed

    async def _notify_alarms(self, now: datetime) -> int:
        lifts = self._lifts()
        raised = [self.telephones[name] for name in sorted(self._rung) if name in lifts]
        if raised:
            news = await self._store.call(notify_alarms, self._site, raised, lifts, now=now)
            for name in sorted(news):
                log.warning("emergency", device=name)
            self._notified(news)
        return len(raised)

    async def _notify_overdue(self, now: datetime) -> int:
        lifts, overdue, current = self._lifts(), {}, set()
        for name in self._expected or ():
            telephone, lift = self.telephones.get(name), lifts.get(name)
            due = due_at(lift, telephone) if lift is not None else None
            if lift is None or telephone is None or due is None:
                continue
            if now >= due and telephone.overdue_at is None:
                overdue[name] = f"{lift.location}: {overdue_message(lift, telephone)}"
            elif now < due and telephone.overdue_at is not None:
                current.add(name)
        if overdue:
            news = await self._store.call(notify_overdue, self._site, overdue, now=now)
            for name in sorted(news):
                log.warning("test call overdue", device=name)
            self._notified(news)
        if current:
            await self._store.call(telephones.forget_overdue, self._site, current, now=now)
        return len(overdue) + len(current)

    async def _expect(self, now: datetime) -> None:
        lifts = self._lifts()
        if lifts is self._seen:
            return
        expected = frozenset(name for name, lift in lifts.items() if lift.test_call_age is not None)
        if expected != self._expected and self._leads():
            await self._store.call(telephones.expect, self._site, expected, now=now)
            self._expected, self._full_at = expected, None
        if expected == self._expected:
            self._seen = lifts

    async def _read(self, now: datetime) -> frozenset[str]:
        if self._full_at is None or self._looked_at is None or now - self._full_at >= FULL:
            found = await self._store.call(telephones.get, self._site)
            self._full_at = now
        else:
            found = await self._store.call(telephones.changed, self._site, self._looked_at - MARGIN)
        self._looked_at, self.loaded = now, True
        new = frozenset(name for name, each in found.items() if self.telephones.get(name) != each)
        self.telephones |= found
        self._rung = {name for name, each in found.items() if not each.alarm_notified}
        return new

    def _measure(self) -> None:
        lifts = self._lifts()
        here = [each for name, each in self.telephones.items() if name in lifts]
        for state in ("Raised", "Answered"):
            metrics.ALARMS.labels(state).set(sum(each.alarm == state for each in here))
        metrics.OVERDUE.set(sum(each.overdue_at is not None for each in here))
