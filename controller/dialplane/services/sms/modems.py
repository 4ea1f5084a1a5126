"""The modems of a site as they are: followed by events, looked at again every few seconds.

An event tells of a change at once, and the look that follows it tells of what; an event that was lost costs one pause.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import ActionUnknown, AsteriskError
from dialplane.asterisk.message import Event, Gap
from dialplane.asterisk.modem import PREFIX, Modem, show
from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.dongle import DongleSpec, Driver
from dialplane.resources.problem import Reason

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 3.0
"""Between two looks at all modems: with it a modem that left without a word is missed within 5 s."""
_IDLE_SHARE: Final = 4
_EVENTS: Final = tuple(f"{prefix}Status" for prefix in PREFIX.values())
_DISCONNECT: Final = "Disconnect"
_WORDS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.STOPPED: "it was stopped (dongle start brings it back)",
        Reason.NOT_CONNECTED: "the modem is not there: unplugged, without power, or under another name",
        Reason.NOT_INITIALIZED: "the modem is there and has not answered the driver yet",
        Reason.NOT_REGISTERED: "no network has taken the modem: look at its aerial, its SIM card and the PIN",
    }
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All modems at one moment."""

    asked_at: datetime
    modems: Mapping[str, Modem] = field(default_factory=lambda: MappingProxyType({}))
    """By the device's name, which is the Dongle's."""
    missing: frozenset[Driver] = frozenset()
    """Drivers that Asterisk has not loaded."""
    interrupted: frozenset[str] | None = None
    """Modems that were disconnected since the look before; None where nobody listened all that time."""


async def look(ami: Ami, drivers: Collection[Driver]) -> Fleet:
    """Ask each driver for its modems. Raises as `Ami.list`, but for a driver that is not loaded."""
    modems: dict[str, Modem] = {}
    missing: set[Driver] = set()
    asked_at = datetime.now(UTC)
    for driver in sorted(drivers):
        try:
            modems |= {modem.name: modem for modem in await show(ami, driver)}
        except ActionUnknown:
            missing.add(driver)
    return Fleet(asked_at, MappingProxyType(modems), frozenset(missing))


async def follow(
    ami: Ami, drivers: Callable[[], Collection[Driver]], *, again: asyncio.Event, pause: float = LOOK_SECONDS
) -> AsyncIterator[Fleet]:
    """Yield what there is, after each event, whenever `again` is set, and every `pause` seconds.

    Ends with the connection. Raises as `look`.
    """
    loop = asyncio.get_running_loop()
    interrupted: frozenset[str] | None = None
    with ami.events(*_EVENTS) as events:
        batch: asyncio.Future[list[Event | Gap]] = asyncio.ensure_future(events.batch())
        try:
            while True:
                again.clear()
                began = loop.time()
                fleet = await look(ami, drivers())
                yield replace(fleet, interrupted=interrupted)
                interrupted = frozenset()
                # In a flood of events they wait: most of the connection's time is left to others.
                await asyncio.sleep(min(_IDLE_SHARE * (loop.time() - began), pause))
                asked: asyncio.Future[Any] = asyncio.ensure_future(again.wait())
                waiting: set[asyncio.Future[Any]] = {batch, asked}
                await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                if batch.done():
                    if not batch.result():
                        return
                    interrupted = _disconnected(batch.result())
                    batch = asyncio.ensure_future(events.batch())
        finally:
            batch.cancel()


def _disconnected(events: Sequence[Event | Gap]) -> frozenset[str] | None:
    told = [event for event in events if isinstance(event, Event)]
    if len(told) < len(events):
        return None
    return frozenset(event.get("device", "") for event in told if event.get("status") == _DISCONNECT)


def online(spec: DongleSpec, name: str, fleet: Fleet | None) -> Condition:
    """The condition `Online` of a Dongle; without a fleet nobody knows."""

    def says(status: Truth, reason: Reason, message: str = "") -> Condition:
        return Condition(ConditionType.ONLINE, status, reason, message)

    if fleet is None:
        return says(Truth.UNKNOWN, Reason.ASTERISK_UNREACHABLE, "Asterisk does not say what its modems do")
    if spec.driver in fleet.missing:
        return says(Truth.UNKNOWN, Reason.MODULE_MISSING, f"Asterisk has not loaded {spec.driver}")
    modem = fleet.modems.get(name)
    if modem is None or modem.driver != spec.driver:
        reason = Reason.STOPPED if spec.initial_state == "remove" else Reason.NOT_CONNECTED
        return says(Truth.FALSE, reason, "the driver has no device of this name")
    if modem.fault is not None:
        network = f" ({modem.network})" if modem.fault is Reason.NOT_REGISTERED and modem.network else ""
        return says(Truth.FALSE, modem.fault, _WORDS[modem.fault] + network)
    return says(Truth.TRUE, Reason.ONLINE)


def fields(modem: Modem | None) -> dict[str, Any]:
    """What the status of a Dongle shows of its modem."""
    if modem is None:
        return {}
    return {
        "state": modem.state,
        "imei": modem.imei,
        "imsi": modem.imsi,
        "provider": modem.provider,
        "number": modem.number,
        "network": modem.network,
        "signalDbm": modem.signal_dbm,
        "tasksQueued": modem.tasks_queued,
    }


def differ(before: Modem | None, after: Modem | None) -> bool:
    """Whether something happened to a modem that is worth telling at once: more than its numbers, or its next task."""
    if before is None or after is None or before.fault != after.fault:
        return before is not after
    quiet = {"state": "", "signal_dbm": None, "tasks_queued": 0, "calls": 0}
    return replace(before, **quiet) != replace(after, **quiet)  # type: ignore[arg-type]


class Modems:
    """Follows the modems of one Asterisk; what it tells of them changes on transitions, numbers once in `refresh` s."""

    def __init__(self, changed: Callable[[], None], *, grace: float = 10.0, refresh: float = 60.0) -> None:
        """Call `changed` when what is told changes; a lost Asterisk is no news for `grace` seconds."""
        self.fleet: Fleet | None = None
        """None while nobody knows."""
        self.told: Mapping[str, Modem] = {}
        """What statuses show."""
        self.again = asyncio.Event()
        """Set it to have the modems looked at now."""
        self.looked: Callable[[Ami, Fleet], None] = lambda _ami, _fleet: None
        """Hears of each look."""
        self._drivers: frozenset[Driver] = frozenset()
        self._changed = changed
        self._grace = grace
        self._refresh = refresh
        self._told_at: dict[str, float] = {}

    def want(self, drivers: Collection[Driver]) -> None:
        """Look after the modems of these drivers."""
        if self._drivers != frozenset(drivers):
            self._drivers = frozenset(drivers)
            self.again.set()

    async def run(self, link: AsteriskLink) -> None:
        """Follow for ever."""
        lost_at: float | None = None
        following: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            async for state in link.changes():
                if following is not None:
                    following.cancel()
                if isinstance(state, Up):
                    lost_at, attend = None, self._attend(state.ami)
                else:
                    lost_at = lost_at or asyncio.get_running_loop().time()
                    attend = self._give_up(lost_at + self._grace)
                following = tasks.create_task(attend, name="modems")

    async def _attend(self, ami: Ami) -> None:
        while True:
            try:
                async for fleet in follow(ami, lambda: self._drivers, again=self.again):
                    self._take(fleet)
                    self.looked(ami, fleet)
            except AsteriskError as error:
                log.info("stopped following the modems", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _give_up(self, at: float) -> None:
        if self.fleet is not None:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            self.fleet = None
            self._changed()

    def _take(self, fleet: Fleet) -> None:
        now, before, told = asyncio.get_running_loop().time(), self.fleet, dict(self.told)
        for name in {*told, *fleet.modems}:
            old, new = told.get(name), fleet.modems.get(name)
            aged = now - self._told_at.get(name, 0.0) >= self._refresh
            if old == new or not (aged or differ(old, new)):
                continue
            self._told_at[name] = now
            told.pop(name, None)
            if new is not None:
                told[name] = new
        changed = told != self.told or before is None or before.missing != fleet.missing
        self.fleet, self.told = fleet, told
        if changed:
            self._changed()
