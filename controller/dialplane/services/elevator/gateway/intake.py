"""What devices send beside heartbeats: their logs and states into the journal, alarms, pictures, introductions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from dialplane.services.contract import ReplicaContext
from dialplane.services.elevator.gateway.batches import Batches, Rhythm
from dialplane.services.elevator.gateway.connects import Connections
from dialplane.services.elevator.gateway.dispatch import Dispatcher
from dialplane.services.elevator.gateway.metrics import DROPPED, MESSAGES_BY_TYPE
from dialplane.services.elevator.gateway.session import DeviceSession
from dialplane.services.elevator.messages import (
    Acknowledgement,
    AlarmEnded,
    AlarmRaised,
    Body,
    CommandResult,
    Hello,
    LogLines,
    SentPicture,
    StateReport,
)
from dialplane.services.elevator.tables import journal, telephones
from dialplane.services.elevator.tables.journal import EntryType, NewEntry

_JOURNAL: Final = Rhythm(gather=1.0, limit=2000, pause_each=0, pause=0)
_ALARMS: Final = Rhythm(gather=0, limit=1)
"""One by one: an alarm that was written and ended must not be raised once more with the rest of its batch."""
_TYPES: Final[dict[type, str]] = {
    LogLines: "log",
    SentPicture: "snapshot",
    Hello: "hello",
    Acknowledgement: "command_ack",
    CommandResult: "command_result",
    AlarmRaised: "alarm",
    AlarmEnded: "alarm_end",
    StateReport: "state",
}


class PictureReceiver(Protocol):
    """Takes the pictures that devices send over their connections."""

    def receive(self, device: str, payload: str, command: str | None) -> object:
        """Take one, or drop and count it. Never waits."""


@dataclass(frozen=True, slots=True)
class _Alarm:
    device: str
    raised: bool
    detail: str
    at: datetime


class Journals:
    """The journals of the devices, written together."""

    def __init__(self, context: ReplicaContext) -> None:
        self._context = context
        self._entries: Batches[NewEntry] = Batches("journals", self._write, _JOURNAL)
        self.run = self._entries.run
        self.flush = self._entries.flush

    def note(self, device: str, entry: EntryType, data: Mapping[str, object]) -> None:
        """Note something that happened just now."""
        self._entries.add(NewEntry(device, entry, datetime.now(UTC), data))

    async def _write(self, batch: Sequence[NewEntry]) -> None:
        await self._context.store.call(journal.append, self._context.site, batch)


class Intake:
    """Takes what devices send."""

    def __init__(
        self,
        context: ReplicaContext,
        connections: Connections,
        dispatcher: Dispatcher,
        journals: Journals,
        pictures: PictureReceiver | None,
        changed: Callable[[], None],
    ) -> None:
        self._context = context
        self._connections = connections
        self._dispatcher = dispatcher
        self._journals = journals
        self._pictures = pictures
        self._changed = changed
        self._alarms: Batches[_Alarm] = Batches("alarms", self._write_alarms, _ALARMS)
        self._open_alarms: dict[str, bool] = {}

    def take(self, session: DeviceSession, body: Body) -> None:
        """Take one message. Never waits."""
        MESSAGES_BY_TYPE[_TYPES.get(type(body), "unknown")].inc()
        match body:
            case Acknowledgement() | CommandResult():
                self._dispatcher.answer(session, body)
            case LogLines(lines):
                for line in lines[: session.allows_lines(len(lines))]:
                    self._journals.note(session.name, "log", {"level": line.level, "text": line.text})
            case StateReport(data):
                if session.allows_lines(1):
                    self._journals.note(session.name, "state", dict(data))
            case Hello():
                self._introduce(session, body)
            case SentPicture(payload, command):
                self._receive(session, payload, command)
            case AlarmRaised(detail):
                self._note_alarm(session.name, detail, raised=True)
            case AlarmEnded(detail):
                self._note_alarm(session.name, detail, raised=False)

    def opened(self, session: DeviceSession) -> None:
        """Take what came before a connection had its epoch."""
        early, session.early = session.early, []
        for body in early:
            self.take(session, body)

    async def run(self) -> None:
        """Write until cancelled."""
        await self._alarms.run()

    async def flush(self) -> None:
        """Write what waits, at the end."""
        await self._alarms.flush()

    def _introduce(self, session: DeviceSession, hello: Hello) -> None:
        session.capabilities = frozenset(hello.capabilities)
        if session.epoch is None:
            session.keep(hello)
        else:
            self._connections.introduce(session, hello.firmware)
            if self._connections.settle(session):
                self._dispatcher.wake()

    def _receive(self, session: DeviceSession, payload: str, command: str | None) -> None:
        if self._pictures is None:
            DROPPED.labels("no storage for pictures").inc()
        else:
            self._pictures.receive(session.name, payload, command)

    def _note_alarm(self, device: str, detail: str, *, raised: bool) -> None:
        """Have an alarm written at once; a device that repeats itself costs nothing."""
        if self._open_alarms.get(device) is not raised:
            self._open_alarms[device] = raised
            self._alarms.add(_Alarm(device, raised, detail, datetime.now(UTC)))
            asyncio.get_running_loop().call_later(1, self._open_alarms.pop, device, None)

    async def _write_alarms(self, batch: Sequence[_Alarm]) -> None:
        store, site = self._context.store, self._context.site
        for each in batch:
            change = telephones.raise_alarm if each.raised else telephones.end_alarm
            if await store.call(change, site, each.device, each.at):
                state = "Raised" if each.raised else "Ended"
                self._journals.note(each.device, "alarm", {"state": state, "by": "device", "detail": each.detail})
        self._changed()
