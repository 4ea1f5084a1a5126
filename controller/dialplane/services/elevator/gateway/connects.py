"""Who is connected here: each device once, with the epoch that the database gave to its connection.

A storm of devices that come back costs a transaction for many of them; their heartbeats are answered meanwhile, and
only commands wait.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from dialplane.services.contract import ReplicaContext
from dialplane.services.elevator.gateway.batches import Batches, Rhythm
from dialplane.services.elevator.gateway.metrics import CONNECTED, CONNECTS, SUPERSEDED
from dialplane.services.elevator.gateway.session import DeviceClose, DeviceSession
from dialplane.services.elevator.gateway.takeovers import Takeovers
from dialplane.services.elevator.reported import twin, twin_state
from dialplane.services.elevator.tables import sessions
from dialplane.services.elevator.tables.journal import EntryType
from dialplane.services.elevator.tables.sessions import Connect, Heard, Introduction
from dialplane.store import StoreError
from dialplane.store.hints import replica_channel

LOOK_BACK: Final = timedelta(seconds=60)
"""How far clocks of replicas may differ."""
OPENED_WITHIN: Final = 15.0
"""Seconds after which a connection that has no epoch, though none waits for one, is opened once more."""
ELSEWHERE: Final = "another gateway"
_OPENS: Final = Rhythm(pause_each=0.01)
"""A storm of 200 a second is a transaction for 60 of them."""
_CLOSES: Final = Rhythm(gather=0.05, pause_each=0.01, limit=1000, most=50_000)


class Connections:
    """The devices that are connected to this process."""

    def __init__(
        self,
        context: ReplicaContext,
        note: Callable[[str, EntryType, Mapping[str, object]], None],
        opened: Callable[[DeviceSession], None],
        changed: Callable[[], None],
    ) -> None:
        """Serve one site.

        Args:
            context: of the replica.
            note: notes something in a device's journal.
            opened: called with each connection that has its epoch now.
            changed: called when the database has something new.
        """
        self.sessions: dict[str, DeviceSession] = {}
        """The newest of each device."""
        self.epochs: dict[str, int] = {}
        """Of those that commands can be sent to."""
        self._context = context
        self._note = note
        self._opened = opened
        self._changed = changed
        self._takeovers = Takeovers()
        self._opening = Batches("connects", self._open, _OPENS)
        self._closing = Batches("disconnects", self._close, _CLOSES)
        self._introducing = Batches("introductions", self._introduce, Rhythm(gather=0.1, limit=1000))

    def add(self, session: DeviceSession) -> None:
        """Take a connection; an older one of its device is closed."""
        CONNECTS.inc()
        before = self.sessions.get(session.name)
        self.sessions[session.name] = session
        self.epochs.pop(session.name, None)
        CONNECTED.set(len(self.sessions))
        if before is not None:
            self._supersede(before, session.address)
        self._opening.add(session)

    def remove(self, session: DeviceSession) -> None:
        """Let a connection go that has ended; a newer one of its device stays."""
        if self.sessions.get(session.name) is session:
            del self.sessions[session.name]
            self.epochs.pop(session.name, None)
            CONNECTED.set(len(self.sessions))
        if session.epoch is not None:
            self._closing.add(Heard(session.name, session.epoch, session.heard_at()))
        self._note_calmly(session.name, "disconnected", {"reason": session.ending, "address": session.address})

    def introduce(self, session: DeviceSession, firmware: str | None) -> None:
        """Note what a device says of itself, once it has its epoch."""
        if session.epoch is not None:
            capabilities = tuple(sorted(session.capabilities))
            self._introducing.add(Introduction(session.name, session.epoch, firmware, capabilities))

    def settle(self, session: DeviceSession) -> bool:
        """Let commands be sent to a device that has its epoch and has spoken; return whether that is new."""
        if session.epoch is None or session.name in self.epochs or self.sessions.get(session.name) is not session:
            return False
        self.epochs[session.name] = session.epoch
        return True

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for batches in (self._opening, self._closing, self._introducing):
                tasks.create_task(batches.run())

    async def note_heard(self) -> None:
        """Write when connections were last heard, all that were heard since the last time.

        Raises:
            StoreError: it was not written.
        """
        now = asyncio.get_running_loop().time()
        due = [each for each in self.sessions.values() if each.epoch is not None and each.heard > each.flushed]
        heard = [Heard(each.name, each.epoch, each.heard_at()) for each in due if each.epoch is not None]
        await self._context.store.call(sessions.note_heard, self._context.site, heard)
        for each in due:
            each.flushed = now

    async def look_elsewhere(self) -> None:
        """Close the connections whose devices have a newer one at another gateway.

        Raises:
            StoreError: nobody knows.
        """
        context, now = self._context, datetime.now(UTC)
        lost = await context.store.call(sessions.lost, context.site, context.replica, now - LOOK_BACK)
        late = {
            name: session
            for name, epoch in lost.items()
            if (session := self.sessions.get(name)) is not None and session.epoch is not None and session.epoch < epoch
        }
        if late:
            newer = await context.store.call(sessions.get, context.site, list(late))
            for name, session in late.items():
                self._supersede(session, newer[name].address if name in newer else ELSEWHERE)

    async def compare(self) -> None:
        """Open connections once more that the database has as closed: it was away, and this process counted as dead.

        Likewise those that it never had: a backlog that ran over, or a refusal. And close those that it has elsewhere,
        should a hint have been lost.

        Raises:
            StoreError: nobody knows.
        """
        context = self._context
        for each in [] if self._opening.busy else self._without_epoch():
            self._opening.add(each)
        before = {name: each.epoch for name, each in self.sessions.items() if each.epoch is not None}
        there = await context.store.call(sessions.open_at, context.site, context.replica)
        odd = {name: epoch for name, epoch in before.items() if there.get(name) != epoch}
        if not odd:
            return
        newest = await context.store.call(sessions.get, context.site, list(odd))
        for name, epoch in odd.items():
            session, found = self.sessions.get(name), newest.get(name)
            if session is None or session.epoch != epoch or session.ending:
                continue
            if found is not None and found.epoch > epoch:
                self._supersede(session, found.address)
            else:
                session.epoch = None
                self.epochs.pop(name, None)
                self._opening.add(session)

    def end_takeovers(self) -> None:
        """Report no more of those that are long ago."""
        for device in self._takeovers.end(asyncio.get_running_loop().time()):
            self._context.report(twin(device), None)

    async def close_all(self) -> None:
        """Note that all connections end, with the moments at which they were last heard."""
        for session in self.sessions.values():
            if session.epoch is not None:
                self._closing.add(Heard(session.name, session.epoch, session.heard_at()))
        await self._closing.flush()

    def _without_epoch(self) -> list[DeviceSession]:
        late = asyncio.get_running_loop().time() - OPENED_WITHIN
        return [
            each for each in self.sessions.values() if each.epoch is None and not each.ending and each.opened < late
        ]

    def _supersede(self, session: DeviceSession, by: str) -> None:
        SUPERSEDED.inc()
        session.close(DeviceClose.SUPERSEDED)
        device, moment = session.name, asyncio.get_running_loop().time()
        if self._takeovers.note(device, session.address, by, moment):
            self._note(device, "conflict", {"addresses": sorted(self._takeovers.addresses(device))[:8]})
        if self._takeovers.has_twin(device):
            self._context.report(twin(device), twin_state(self._takeovers.addresses(device)))
        self._note_calmly(device, "superseded", {"address": session.address, "by": by})

    def _note_calmly(self, device: str, entry: EntryType, data: Mapping[str, object]) -> None:
        """Note something, but of two devices that throw each other out for ever only that they do."""
        if not self._takeovers.has_twin(device):
            self._note(device, entry, data)

    async def _open(self, batch: Sequence[DeviceSession]) -> None:
        context = self._context
        newest = {each.name: each for each in batch if not each.ending and each.epoch is None}
        connects = [Connect(name, each.address, each.heard_at(each.opened)) for name, each in newest.items()]
        opened = await context.store.call(
            sessions.open_all, context.site, context.replica, connects, now=datetime.now(UTC)
        )
        for name, found in opened.items():
            session = newest[name]
            session.epoch = found.epoch
            self._note_calmly(name, "connected", {"address": session.address, "epoch": found.epoch})
            if session.ending:  # meanwhile
                self._closing.add(Heard(name, found.epoch, session.heard_at()))
            else:
                self._opened(session)
        self._changed()
        for replica in {found.was for found in opened.values()} - {None, context.replica}:
            with suppress(StoreError):  # it looks by itself, too
                await context.hints.send(replica_channel(str(replica)))

    async def _close(self, batch: Sequence[Heard]) -> None:
        await self._context.store.call(sessions.close_all, self._context.site, batch, now=datetime.now(UTC))
        self._changed()

    async def _introduce(self, batch: Sequence[Introduction]) -> None:
        await self._context.store.call(sessions.introduce, self._context.site, batch, now=datetime.now(UTC))
        self._changed()
