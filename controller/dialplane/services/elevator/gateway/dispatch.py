"""Commands on their way: each is noted as sent before its bytes go out, and what devices answer is noted.

Whoever queued a command sends this process a hint; without one it looks by itself. What is waiting is claimed together,
and what devices answer is written together.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from dialplane.services.contract import ReplicaContext
from dialplane.services.elevator import messages
from dialplane.services.elevator.gateway.batches import Batches, Rhythm
from dialplane.services.elevator.gateway.connects import Connections
from dialplane.services.elevator.gateway.metrics import COMMANDS
from dialplane.services.elevator.gateway.session import DeviceSession
from dialplane.services.elevator.messages import Acknowledgement, CommandResult
from dialplane.services.elevator.tables import commands
from dialplane.services.elevator.tables.command_life import Change, Command, CommandState
from dialplane.services.elevator.tables.journal import EntryType
from dialplane.store import StoreError
from dialplane.tasks import Backoff, keep_running, wait_at_most

log = structlog.get_logger(__name__)

ACKNOWLEDGES: Final = "ack"
"""The capability of a device that acknowledges commands."""
BATCH: Final = 200
PAUSE_EACH: Final = 0.002
"""Seconds of pause after a claim, for each command in it."""
PAUSE: Final = 0.04
"""Seconds of pause at most."""
BACKOFF: Final = Backoff(0.2, 5, least=0.5)
_ANSWERS: Final = Rhythm(gather=0.02, pause_each=0.001, pause=0.06, limit=500)


class Enrichment(Protocol):
    """Adds to commands what only the moment of sending has, such as where a picture is put."""

    async def __call__(self, claimed: Sequence[tuple[Command, frozenset[str]]]) -> Sequence[object]:
        """Return the data of each command; each comes with the capabilities of its device.

        Raises:
            StoreError: there is none now: the data stay as they are.
        """


class Dispatcher:
    """Sends commands to the devices that are connected to this process."""

    def __init__(
        self,
        context: ReplicaContext,
        connections: Connections,
        note: Callable[[str, EntryType, Mapping[str, object]], None],
        changed: Callable[[], None],
        enrich: Enrichment | None = None,
    ) -> None:
        """Serve one site.

        Args:
            context: of the replica.
            connections: those of this process.
            note: notes something in a device's journal.
            changed: called when the database has something new.
            enrich: adds to the data of commands.
        """
        self._context = context
        self._connections = connections
        self._note = note
        self._changed = changed
        self._enrich = enrich
        self._answers: Batches[Change] = Batches("commands", self._write, _ANSWERS)

    def wake(self) -> None:
        """There may be commands to send."""
        self._context.orders.set()

    def answer(self, session: DeviceSession, body: Acknowledgement | CommandResult) -> None:
        """Take what a device makes of a command."""
        if session.epoch is None:
            session.keep(body)
        elif isinstance(body, Acknowledgement):
            self._answers.add(Change(body.id, session.name, session.epoch, "acknowledged"))
        else:
            session.sent.pop(body.id, None)
            change = Change(body.id, session.name, session.epoch, body.state, body.reason, body.result)
            self._answers.add(change)

    def end(self, session: DeviceSession) -> None:
        """Let what was sent over a connection that has ended be sent again where that is safe."""
        if session.epoch is not None:
            for command in session.sent:
                self._answers.add(Change(command, session.name, session.epoch, "queued"))
            session.sent.clear()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._answers.run())
            tasks.create_task(self._keep_claiming())

    async def flush(self) -> None:
        """Write what devices answered, at the end."""
        await self._answers.flush()

    async def _keep_claiming(self) -> None:
        def note(error: StoreError, wait: float) -> None:
            log.warning("commands not sent now", reason=str(error), retry_seconds=round(wait, 1))

        await keep_running(self._claim, errors=StoreError, backoff=BACKOFF, on_error=note, healthy_after=10)

    async def _claim(self) -> None:
        context = self._context
        while True:
            expected = context.orders.is_set()
            context.orders.clear()
            while self._connections.epochs:
                claimed = await context.store.call(
                    commands.claim,
                    context.site,
                    context.replica,
                    self._connections.epochs,
                    now=datetime.now(UTC),
                    limit=BATCH,
                    expected=expected,
                )
                expected = False
                if not claimed:
                    break
                await self._send_all(claimed)
                await asyncio.sleep(min(PAUSE, PAUSE_EACH * len(claimed)))
            if self._connections.sessions:
                await self._connections.look_elsewhere()
            await wait_at_most(context.orders, context.hints.poll_seconds)

    async def _send_all(self, claimed: Sequence[Command]) -> None:
        COMMANDS.labels("sent").inc(len(claimed))
        data: Sequence[object] = [each.data for each in claimed]
        if self._enrich is not None:
            try:
                data = await self._enrich([(each, self._capabilities(each)) for each in claimed])
            except StoreError as error:
                log.warning("commands go out as they are", reason=str(error))
        for each, sent in zip(claimed, data, strict=True):
            self._send(each, sent)

    def _capabilities(self, command: Command) -> frozenset[str]:
        session = self._connections.sessions.get(command.device)
        return frozenset() if session is None else session.capabilities

    def _send(self, command: Command, data: object) -> None:
        session = self._connections.sessions.get(command.device)
        if session is None or session.epoch != command.epoch or session.ending:
            self._unsent(command)
            return
        acknowledges = ACKNOWLEDGES in session.capabilities
        allowed = session.profile.commands.get(command.name)
        if allowed is None:
            self._end(command, "rejected", "it is not allowed any more: it was not sent")
        elif command.deadline <= datetime.now(UTC):
            self._end(command, "expired", "its deadline passed before it was sent")
        elif command.physical and not acknowledges and not allowed.allow_unacknowledged:
            self._end(command, "rejected", "the device acknowledges nothing, and allowUnacknowledged is off: not sent")
        else:
            session.remember(command.id)
            text = messages.command(command.id, command.name, data, command.deadline)
            if session.send(text, command.deadline) and not acknowledges:
                session.sent.pop(command.id, None)
                if command.physical:
                    self._end(command, "unknown", "it was sent, and the device acknowledges nothing")
                else:
                    self._end(command, "delivered", None)

    def _unsent(self, command: Command) -> None:
        """Its connection ended between the claim and the sending: nothing went out."""
        if command.physical:
            self._end(command, "expired", "its connection ended before it was sent")
        elif command.epoch is not None:
            self._answers.add(Change(command.id, command.device, command.epoch, "queued"))

    def _end(self, command: Command, state: CommandState, reason: str | None) -> None:
        if command.epoch is not None:
            self._answers.add(Change(command.id, command.device, command.epoch, state, reason))

    async def _write(self, batch: Sequence[Change]) -> None:
        context = self._context
        changed = await context.store.call(commands.change, context.site, batch, now=datetime.now(UTC))
        for each in changed:
            COMMANDS.labels(each.state).inc()
            if each.ended_at is not None:
                document = {"id": each.id, "name": each.name, "state": each.state, "reason": each.reason}
                self._note(each.device, "command", document)
        if any(each.state == "queued" for each in changed):
            self.wake()
        if changed:
            self._changed()
