"""What is known of the devices at this moment: presence, telephones, pictures, commands that wait."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from dialplane.resources.moment import timestamp
from dialplane.services.contract import Context
from dialplane.services.elevator.leader.presence_watch import PresenceWatch
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.leader.status import Facts
from dialplane.services.elevator.leader.telephone_watch import TelephoneWatch
from dialplane.services.elevator.tables import commands, snapshots
from dialplane.services.elevator.tables.snapshots import Snapshot
from dialplane.store.hints import replica_channel

COUNT_SECONDS: Final = 15.0
"""Between two counts of the commands that wait."""
WAITING: Final = timedelta(seconds=10)
"""How old a command is that counts: those on their way would change the statuses of a busy site all the time."""
PICTURES_SECONDS: Final = 3600.0
"""Between two looks at all pictures: old ones go. New ones are seen at once."""


class Live:
    """The devices of one site, as the store has them; `look` keeps it so."""

    def __init__(
        self,
        context: Context,
        *,
        lifts: Callable[[], Mapping[str, Lift]],
        leads: Callable[[], bool],
        alarms_changed: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        """Name the site; `alarms_changed` is called when an alarm may have begun or ended."""
        self._context = context
        self._alarms_changed = alarms_changed
        self._now = now
        store, site = context.store, context.site
        self._presence = PresenceWatch(store, site, lifts=lifts, living=context.replicas.living, leads=leads, now=now)
        self._telephones = TelephoneWatch(store, site, lifts=lifts, leads=leads, notified=self._note_notified, now=now)
        self._to_hint: set[str] = set()
        self._pictures: dict[str, Snapshot] = {}
        self._queued: Mapping[str, int] = {}
        self._last_picture = 0
        self._pictures_at: float | None = None
        self._counted_at: float | None = None
        self.loaded = False
        """Whether everything was read once."""
        self.notified = False
        """Whether an event was written since this was last set to False."""
        self.looks = 0
        """How often everything was looked at."""

    def online(self, device: str) -> bool | None:
        """Return whether a device is online; None while nobody has looked."""
        if not self._presence.loaded:
            return None
        decided = self._presence.presence.get(device)
        return decided is not None and decided.online

    def facts(self, device: str) -> Facts:
        """Return what is known here of a device."""
        picture = self._pictures.get(device)
        seen = {"url": self._address(picture), "takenAt": timestamp(picture.taken_at)} if picture else None
        return Facts(
            presence=self._presence.presence.get(device),
            session=self._presence.sessions.get(device),
            telephone=self._telephones.telephones.get(device),
            queued=self._queued.get(device, 0),
            picture=seen,
        )

    def interrupt(self) -> None:
        """Note that the store was away."""
        self._presence.interrupt()
        self._telephones.interrupt()

    async def look(self) -> frozenset[str]:
        """Look at what changed, and do what follows; return the devices of which something is new.

        Raises:
            StoreError: look again.
        """
        changed = await self._presence.look()
        rung = await self._telephones.look()
        if rung:
            self._alarms_changed()
        await self._hint_gateways()
        changed |= rung | await self._look_at_pictures() | await self._count()
        self.loaded = True
        self.looks += 1
        return changed

    async def _look_at_pictures(self) -> frozenset[str]:
        context, time = self._context, asyncio.get_running_loop().time()
        full = self._pictures_at is None or time - self._pictures_at >= PICTURES_SECONDS
        after = 0 if full else self._last_picture
        found = await context.store.call(snapshots.newest, context.site, after=after)
        before = self._pictures
        if full:
            self._pictures_at = time
        self._pictures = found if full else {**before, **found}
        self._last_picture = max((each.seq for each in found.values()), default=self._last_picture)
        return frozenset(
            name for name in found.keys() | (before.keys() if full else ()) if before.get(name) != found.get(name)
        )

    async def _count(self) -> frozenset[str]:
        context, time = self._context, asyncio.get_running_loop().time()
        if self._counted_at is not None and time - self._counted_at < COUNT_SECONDS:
            return frozenset()
        self._counted_at = time
        until = self._now() - WAITING
        before, self._queued = self._queued, await context.store.call(commands.queued_counts, context.site, until=until)
        return frozenset(
            name for name in before.keys() | self._queued.keys() if before.get(name) != self._queued.get(name)
        )

    def _note_notified(self, devices: Collection[str]) -> None:
        self.notified = True
        self._to_hint |= set(devices)

    async def _hint_gateways(self) -> None:
        """Have the gateways look for commands that an alarm brought."""
        names, self._to_hint = self._to_hint, set()
        replicas = {self._presence.sessions[name].replica for name in names if name in self._presence.sessions}
        if self._context.hints is not None:
            for replica in sorted(replicas):
                await self._context.hints.send(replica_channel(replica))

    def _address(self, picture: Snapshot) -> str:
        return f"{self._context.storage.public_url}/api/v1/devices/{picture.device}/snapshots/{picture.seq}"
