"""Decides which devices are online, and writes each change together with what follows from it.

What was decided is in the store, so that a leader that starts goes on from there: nobody is notified twice of a change,
and of none not at all.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from dialplane.resources.moment import timestamp
from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.leader.presence import is_open, judge
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.tables import callbacks, journal, presence, sessions
from dialplane.services.elevator.tables.callbacks import NewCallback
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.services.elevator.tables.presence import Presence
from dialplane.services.elevator.tables.sessions import Session
from dialplane.store import Store

log = structlog.get_logger(__name__)

MARGIN: Final = timedelta(seconds=10)
"""How far the clocks of replicas may be from the leader's for a change to be seen at once."""
FULL: Final = timedelta(minutes=3)
"""How often all sessions are looked at: a change that was missed is seen then."""
ORPHANED: Final = timedelta(seconds=20)
"""A replica that is gone for so long does not come back under its name: its sessions are closed."""
BATCH: Final = 1000
"""Changes in one transaction."""


class PresenceWatch:
    """The presence of the devices of one site, by the leader."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        lifts: Callable[[], Mapping[str, Lift]],
        living: Callable[[], frozenset[str] | None],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        """Name the site.

        Args:
            store: the database.
            site: the namespace.
            lifts: the devices that there are, by name.
            living: the replicas that live; None while nobody has looked.
            leads: whether this process may write.
            now: the clock.
        """
        self._store = store
        self._site = site
        self._lifts = lifts
        self._living = living
        self._leads = leads
        self._now = now
        self.presence: dict[str, Presence] = {}
        """What was decided, by name."""
        self.sessions: dict[str, Session] = {}
        """The newest session of each device that ever connected, by name."""
        self.loaded = False
        """Whether that was read."""
        self._looked_at: datetime | None = None
        self._full_at: datetime | None = None
        self._since: datetime | None = None
        self._lived: frozenset[str] = frozenset()
        self._gone: dict[str, datetime] = {}
        self._open: set[str] = set()

    def interrupt(self) -> None:
        """Note that the store was away: what it has may be old."""
        self._since = self._looked_at = self._full_at = None

    async def look(self) -> frozenset[str]:
        """Look at what changed, and decide; return the devices of which something is new.

        Raises:
            StoreError: nothing was decided; look again.
        """
        now = self._now()
        if not self.loaded:
            self.presence = await self._store.call(presence.of_site, self._site)
        full = self._full_at is None or now - self._full_at >= FULL or self._looked_at is None
        since = None if full or self._looked_at is None else self._looked_at - MARGIN
        found = await self._store.call(sessions.changed, self._site, since)
        new = {session.device for session in found if self.sessions.get(session.device) != session}
        self.sessions |= {session.device: session for session in found}
        self._looked_at, self.loaded = now, True
        if full:
            self._full_at = now
        living = self._living()
        if living is None:
            return frozenset(new)
        self._since = self._since or now
        moved = living != self._lived
        if moved or new:
            self._note_gone(living, now)
        self._lived = living
        names = self.sessions.keys() if full or moved else new | self._open
        decided = self._judge([name for name in names if name in self._lifts()], now)
        changed = await self._decide(decided, now)
        await self._close_orphans(living, now)
        if changed or full:
            self._measure()
        return frozenset(new | changed)

    def _note_gone(self, living: frozenset[str], now: datetime) -> None:
        """Note which replicas with open sessions are gone, and since when."""
        holders = {session.replica for session in self.sessions.values() if is_open(session)} - living
        self._gone = {replica: self._gone.get(replica, now) for replica in holders}

    def _judge(self, names: Iterable[str], now: datetime) -> list[Presence]:
        assert self._since is not None  # noqa: S101 -- the caller has set it
        found, lifts = [], self._lifts()
        for name in names:
            session, before = self.sessions[name], self.presence.get(name)
            gone_at = self._gone.get(session.replica)
            online = judge(session, timeout=lifts[name].timeout, gone_at=gone_at, watched_since=self._since, now=now)
            settled = online is not None and (online is False or (is_open(session) and gone_at is None))
            (self._open.discard if settled else self._open.add)(name)
            if online is not None and (before is None or before.online != online):
                found.append(Presence(name, online, now))
        return found

    async def _decide(self, decided: list[Presence], now: datetime) -> frozenset[str]:
        changed: set[str] = set()
        for begin in range(0, len(decided), BATCH):
            some = decided[begin : begin + BATCH]
            if not self._leads():
                self._full_at = None  # looked at again
                break
            # One that came and went while nobody looked was never online for anybody: nothing follows from that.
            news = [each for each in some if each.online or each.device in self.presence]
            entries = [NewEntry(each.device, "online" if each.online else "offline", now, {}) for each in news]
            await self._store.call(_write, self._site, some, entries, self._callbacks(news), now)
            self.presence |= {each.device: each for each in some}
            changed |= {each.device for each in some}
        if changed:
            online = sum(self.presence[name].online for name in changed)
            log.info("devices", online=online, offline=len(changed) - online)
            metrics.TRANSITIONS.labels("online").inc(online)
            metrics.TRANSITIONS.labels("offline").inc(len(changed) - online)
        return frozenset(changed)

    def _callbacks(self, decided: Collection[Presence]) -> list[NewCallback]:
        found, lifts = [], self._lifts()
        for each in decided:
            lift = lifts.get(each.device)
            settings = lift.spec.callback if lift is not None and lift.spec is not None else None
            if settings is not None and settings.status_url is not None:
                body = {
                    "device_id": each.device,
                    "status": "online" if each.online else "offline",
                    "timestamp": timestamp(each.since),
                }
                found.append(NewCallback(each.device, "status", body))
        return found

    async def _close_orphans(self, living: frozenset[str], now: datetime) -> None:
        """Close the sessions of replicas that do not come back: no command can go over one."""
        if self._since is None or now - self._since < ORPHANED or not self._leads():
            return
        lost = {replica for replica, since in self._gone.items() if now - since >= ORPHANED}
        if lost and any(session.replica in lost and session.closed_at is None for session in self.sessions.values()):
            spared = sorted(living | (self._gone.keys() - lost))
            number = await self._store.call(sessions.close_of_replicas, self._site, spared, now=now)
            log.info("sessions of lost replicas closed", sessions=number)

    def _measure(self) -> None:
        admitted = [name for name, lift in self._lifts().items() if lift.connects]
        online = sum(1 for name in admitted if (each := self.presence.get(name)) is not None and each.online)
        metrics.DEVICES.labels("online").set(online)
        metrics.DEVICES.labels("offline").set(len(admitted) - online)


def _write(
    store: Store,
    site: str,
    decided: Collection[Presence],
    entries: Collection[NewEntry],
    news: Collection[NewCallback],
    now: datetime,
) -> None:
    with store.write() as connection:
        presence.decide(connection, site, sorted(decided, key=lambda each: each.device))
        journal.write(connection, site, list(entries))
        callbacks.add(connection, site, list(news), now=now)
