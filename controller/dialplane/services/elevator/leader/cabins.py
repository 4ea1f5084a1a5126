"""The telephones of cabins, at one Asterisk: empties their spool, and keeps its list of cabins in alarm true.

The dialplan puts a cabin on that list (`dpcabin`) when it calls for help, also while nobody listens. Here it is put
back where Asterisk lost it, and taken off when the emergency is over. A cabin that is on the list though nothing else
says why is in alarm: rather one call too many into a lift than none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final

import structlog

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.asterisk.message import Event, Gap
from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.leader.spool import ALARMS, SPOOL, CabinEvent, DamagedLine, cabin_event, moment
from dialplane.services.elevator.leader.telephone_book import SpoolTally, raise_unexplained, take_spooled
from dialplane.services.elevator.tables import telephones
from dialplane.services.elevator.tables.telephones import Telephone
from dialplane.store import Store, StoreError
from dialplane.tasks import wait_at_most

log = structlog.get_logger(__name__)

EVENTS: Final = "system,call"
"""What of AMI is of use: FullyBooted, and that a telephone's call begins and ends."""
CONNECTED: Final = "BridgeEnter"
"""Says that a channel is connected with another one. The dialplan spools who spoke with the cabin when they hang up;
that somebody does is to be seen at once."""
WAKE: Final = ("Newchannel", "Hangup", CONNECTED)
RESYNC_SECONDS: Final = 5.0
"""How often to look without having been woken."""
AGAIN_SECONDS: Final = (0.0, 0.03, 0.1, 0.3, 1.0)
"""When to look after having been woken: a call begins before the dialplan has spooled anything."""
CONFIRM_SECONDS: Final = 1.0
"""How long a cabin is on the list in vain before it is taken off: the dialplan writes the list first, and then why."""
STORE_WAIT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Alarms:
    """What the list of cabins in alarm should be: pure."""

    missing: Mapping[str, str]
    """Numbers that are to be put on it, with the value."""
    surplus: frozenset[str]
    """Numbers that are on it in vain."""
    unexplained: Mapping[str, str]
    """Devices that are in alarm by the list alone, each with what the list says."""


def alarms(listed: Mapping[str, str], recorded: Mapping[str, Telephone], lifts: Mapping[str, Lift]) -> Alarms:
    """Compare the list with what is recorded.

    Args:
        listed: the list: by number, since when (seconds since 1970).
        recorded: what is recorded of the telephones, by device.
        lifts: the devices, by name.
    """
    missing: dict[str, str] = {}
    rung: set[str] = set()
    recorded_of: set[str] = set()
    first: dict[str, Lift] = {}
    for lift in sorted(lifts.values(), key=lambda lift: (not lift.connects, lift.name)):
        if lift.cabin is None:
            continue
        first.setdefault(lift.cabin, lift)  # of several with one telephone it is the one that is served
        telephone = recorded.get(lift.name)
        if telephone is None or telephone.alarm is None:
            continue
        recorded_of.add(lift.cabin)
        if telephone.in_alarm:
            rung.add(lift.cabin)
            at = telephone.alarm_raised_at
            missing.setdefault(lift.cabin, str(int(at.timestamp())) if at else "0")
    strange = {number: since for number, since in listed.items() if number in first and number not in recorded_of}
    return Alarms(
        missing={number: since for number, since in missing.items() if number not in listed},
        surplus=frozenset(listed.keys() - rung - strange.keys()),
        unexplained={first[number].name: since for number, since in strange.items()},
    )


class Cabins:
    """The telephones of the cabins of one site."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        lifts: Callable[[], Mapping[str, Lift]],
        leads: Callable[[], bool],
        happened: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        """Name the site.

        Args:
            store: the database.
            site: the namespace.
            lifts: the devices that there are, by name.
            leads: whether this process may act.
            happened: called when something was written down.
            now: the clock.
        """
        self._store = store
        self._site = site
        self._lifts = lifts
        self._leads = leads
        self._happened = happened
        self._now = now
        self._woken = asyncio.Event()
        self._surplus: dict[str, float] = {}
        self._numbers: tuple[Mapping[str, Lift], frozenset[str]] = ({}, frozenset())
        self._connected: dict[str, datetime] = {}
        """Cabins that somebody has begun to speak with, by number, and when."""

    def wake(self) -> None:
        """An alarm may have begun or ended."""
        self._woken.set()

    async def serve(self, ami: Ami) -> None:
        """Look until this connection ends, then return.

        Raises:
            AsteriskError: as `Ami.action`.
        """
        self._surplus = {}
        with ami.events(*WAKE) as news:
            listening = asyncio.create_task(self._listen(news.batch), name="calls of cabins")
            try:
                waits: Iterator[float] = iter(AGAIN_SECONDS)
                while not listening.done():
                    await wait_at_most(self._woken, next(waits, RESYNC_SECONDS))
                    if self._woken.is_set():
                        self._woken.clear()
                        waits = iter(AGAIN_SECONDS)
                        continue
                    wait = await self._look_safely(ami)
                    if wait is not None:
                        waits = chain(waits, (wait,))
                await listening
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def look(self, ami: Ami) -> None:
        """Take what is in the spool, then put the list right.

        Raises:
            StoreError: what was not taken stays in the spool, the list as it is.
            AsteriskError: as `Ami.action`; what was taken and not deleted changes nothing when it is read again.
        """
        if not self._leads():
            return
        listed = {entry.key: entry.value for entry in await database.entries(ami, ALARMS)}
        await self._empty(ami)
        await self._note_connected()
        recorded = await self._store.call(telephones.alarmed, self._site)
        found = alarms(listed, recorded, self._lifts())
        for name, value in found.unexplained.items():
            now = self._now()
            await self._store.call(raise_unexplained, self._site, name, min(moment(value) or now, now), now=now)
            log.warning("a cabin is in alarm that nothing was recorded of", device=name)
            self._happened()
        for number, value in found.missing.items():
            await database.put(ami, ALARMS, number, value)
        time = asyncio.get_running_loop().time()
        seen = {number: self._surplus.get(number, time) for number in found.surplus}
        gone = [number for number, since in seen.items() if time - since >= CONFIRM_SECONDS]
        await database.remove(ami, ALARMS, gone)
        self._surplus = {number: since for number, since in seen.items() if number not in gone}

    async def _look_safely(self, ami: Ami) -> float | None:
        """Look; return the seconds after which to look again sooner than ever, if so."""
        try:
            await self.look(ami)
        except StoreError as error:
            log.warning("the telephones' spool waits for the store", reason=str(error))
            return STORE_WAIT_SECONDS
        return CONFIRM_SECONDS if self._surplus else None

    async def _empty(self, ami: Ami) -> None:
        lines = await database.entries(ami, SPOOL)
        if not lines:
            return
        now, lifts = self._now(), self._lifts()
        read = [cabin_event(line.key, line.value, now) for line in lines]
        for each in read:
            if isinstance(each, DamagedLine):
                log.warning("a line of the telephones' spool cannot be read and is dropped", key=each.key, why=each.why)
            elif each.device not in lifts:
                log.warning("a telephone's device is not there", device=each.device, event=each.type)
        happened = [each for each in read if isinstance(each, CabinEvent)]
        taken = await self._store.call(take_spooled, self._site, happened, lifts, now=now)
        await database.remove(ami, SPOOL, [line.key for line in lines])
        if taken != SpoolTally():
            metrics.TEST_CALLS.inc(taken.test_calls)
            log.info("telephones of cabins", test_calls=taken.test_calls, alarms=taken.alarms)
        self._happened()

    async def _note_connected(self) -> None:
        """Note which emergencies are answered: an alarm was spooled, and noted, before."""
        connected = dict(self._connected)
        if not connected:
            return
        for name, lift in self._lifts().items():
            at = connected.get(lift.cabin or "")
            if at is not None and await self._store.call(telephones.answer_alarm, self._site, name, at):
                log.info("somebody speaks with a cabin in alarm", device=name)
                self._happened()
        for number in connected:
            del self._connected[number]

    async def _listen(self, batch: Callable[[], Awaitable[Sequence[Event | Gap]]]) -> None:
        """Wake for calls of cabins, until the connection ends."""
        while events := await batch():
            cabins = self._cabins()
            for event in events:
                if isinstance(event, Gap) or _endpoint(event) in cabins:
                    self._woken.set()
                if isinstance(event, Event) and event.name == CONNECTED and _endpoint(event) in cabins:
                    self._connected.setdefault(_endpoint(event), self._now())
        self._woken.set()

    def _cabins(self) -> frozenset[str]:
        lifts = self._lifts()
        if lifts is not self._numbers[0]:
            self._numbers = lifts, frozenset(lift.cabin for lift in lifts.values() if lift.cabin is not None)
        return self._numbers[1]


def _endpoint(event: Event) -> str:
    return event.get("channel", "").removeprefix("PJSIP/").rpartition("-")[0]
