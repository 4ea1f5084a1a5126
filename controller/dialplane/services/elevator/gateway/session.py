"""One device's connection: what it may send, what is sent to it, and how it ends.

It runs in the task of its socket and needs no other; a heartbeat costs no clock, no lock and no transaction.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, Protocol

from websockets.frames import CloseCode

from dialplane.api.websockets import Socket, SocketClosed
from dialplane.services.elevator.desired import Profile
from dialplane.services.elevator.gateway.metrics import CLOSED, DROPPED, MESSAGES_BY_TYPE
from dialplane.services.elevator.messages import HEARTBEAT, PONG, BadMessage, Body, parse

RATE: Final = 10.0
"""Messages a second; a large one counts as several."""
BURST: Final = 50.0
PIECE: Final = 32 * 1024
"""Bytes of a message that count as one more."""
WRONG_IDS: Final = 3
"""Messages with another device's id, after which the connection is closed."""
BAD_IN_A_ROW: Final = 20
"""Frames in a row that are no messages, after which it is closed."""
OUTBOUND: Final = 8
"""Messages that wait for a device that does not read."""
SENT: Final = 64
"""Commands without an answer that are remembered."""
EARLY: Final = 16
LINES_RATE: Final = 20.0
"""Log lines and states a second that are kept."""
LINES_BURST: Final = 100.0

_HEARTBEATS: Final = MESSAGES_BY_TYPE["heartbeat"]


class DeviceClose(IntEnum):
    """Close codes of our own; devices may go by them."""

    SUPERSEDED = 4001
    """A newer connection of the device took its place."""
    TOKEN_CHANGED = 4002
    WRONG_DEVICE = 4003
    """Its messages are from another device."""
    GONE = 4004
    """The device is disabled, or there is none of that name any more."""
    BAD_MESSAGES = 4005
    SILENT = 4006
    """Nothing came for longer than the device's timeout."""
    TOO_FAST = 4008


_REASONS: Final = {
    DeviceClose.SUPERSEDED: "superseded by a newer connection",
    DeviceClose.TOKEN_CHANGED: "the token was changed",
    DeviceClose.WRONG_DEVICE: "messages with another device's id",
    DeviceClose.GONE: "there is no such device, or it is disabled",
    DeviceClose.BAD_MESSAGES: f"{BAD_IN_A_ROW} messages in a row that are no JSON objects of this protocol",
    DeviceClose.SILENT: "nothing came for longer than the timeout",
    DeviceClose.TOO_FAST: f"more than {RATE:.0f} messages a second",
}


class DeviceHandle(Protocol):
    """A device that was admitted."""

    @property
    def name(self) -> str:
        """Its id."""

    @property
    def token_digest(self) -> bytes:
        """Of the token that it showed."""


class DeviceSession:
    """The connection of one device."""

    __slots__ = (
        "_background", "_bad", "_code", "_filled", "_lines", "_lines_filled", "_loop", "_outbox", "_tokens", "_wrong",
        "address", "capabilities", "digest", "early", "ending", "epoch", "flushed", "heard", "name", "opened",
        "profile", "sent", "socket",
    )  # fmt: skip

    def __init__(
        self,
        socket: Socket[DeviceHandle],
        profile: Profile,
        background: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Begin; `background` runs a coroutine apart, for as long as it takes."""
        self._loop = asyncio.get_running_loop()
        self.socket = socket
        self.name = socket.holder.name
        self.digest = socket.holder.token_digest
        client = socket.scope.get("client")
        self.address = str(client[0]) if client else ""
        self.profile = profile
        self.capabilities: frozenset[str] = frozenset()
        self.opened = self.heard = self._filled = self._lines_filled = self._loop.time()
        """By the loop's clock."""
        self.flushed = 0.0
        """What the database has of `heard`."""
        self.epoch: int | None = None
        """None until the database has the session."""
        self.ending = ""
        """Why it ends; empty while it does not."""
        self.sent: dict[str, None] = {}
        """Ids of commands that were sent and not answered."""
        self.early: list[Body] = []
        """What came before the epoch, and needs it; `EARLY` at most."""
        self._tokens = BURST
        self._lines = LINES_BURST
        self._wrong = 0
        self._bad = 0
        self._code = 0
        self._outbox: list[tuple[str, datetime | None]] = []
        self._background = background

    @property
    def spoke(self) -> bool:
        """Whether anything came over it."""
        return self.heard > self.opened

    def heard_at(self, moment: float | None = None) -> datetime:
        """Return when it was last heard, or another moment of the loop's clock, as a date."""
        ago = self._loop.time() - (self.heard if moment is None else moment)
        return datetime.now(UTC) - timedelta(seconds=ago)

    async def receive(self, take: Callable[["DeviceSession", Body], None]) -> None:
        """Take messages until the connection ends; all but heartbeats go to `take`."""

        def hear(data: str | bytes) -> None:
            if self.ending:
                return
            self.heard = moment = now()
            tokens = min(BURST, self._tokens + (moment - self._filled) * RATE)
            self._tokens = tokens - 1 - len(data) // PIECE
            self._filled = moment
            if self._tokens < 0:
                self.close(DeviceClose.TOO_FAST)
                return
            body = self._read(data)
            if body is HEARTBEAT:
                _HEARTBEATS.inc()
                self.send(PONG)
            elif body is not None:
                take(self, body)

        now = self._loop.time
        try:
            await self.socket.listen(hear)
        except SocketClosed as closed:
            self.ending = self.ending or _ended(closed.code)

    def _read(self, data: str | bytes) -> Body | None:
        try:
            incoming = parse(data)
        except BadMessage as error:
            DROPPED.labels(str(error)).inc()
            if str(error) == "too large":
                self._end(CloseCode.MESSAGE_TOO_BIG, "a message that is no picture has at most 64 KB")
            self._bad += 1
            if self._bad >= BAD_IN_A_ROW:
                self.close(DeviceClose.BAD_MESSAGES)
            return None
        self._bad = 0
        if incoming.device and incoming.device != self.name:
            DROPPED.labels("another device's id").inc()
            self._wrong += 1
            if self._wrong >= WRONG_IDS:
                self.close(DeviceClose.WRONG_DEVICE)
            return None
        return incoming.body

    def allows_lines(self, number: int) -> int:
        """Return how many of so many log lines are taken now."""
        moment = self._loop.time()
        self._lines = min(LINES_BURST, self._lines + (moment - self._lines_filled) * LINES_RATE)
        self._lines_filled = moment
        taken = min(number, int(self._lines))
        self._lines -= taken
        if taken < number:
            DROPPED.labels("too many lines").inc(number - taken)
        return taken

    def send(self, text: str, until: datetime | None = None) -> bool:
        """Send a message, or have it wait where the device does not read; never waits itself.

        Args:
            text: the message.
            until: what still waits then is not sent any more.

        Returns:
            False where the connection is over, or too much waits: then it is cut off.
        """
        if self.ending:
            return False
        if self.socket.writable and not self._outbox:
            return self.socket.send_now(text)
        if len(self._outbox) >= OUTBOUND:
            DROPPED.labels("a device that does not read").inc()
            self.ending = "it did not read what was sent to it"
            CLOSED.labels("unread").inc()
            self.socket.abort()
            return False
        self._outbox.append((text, until))
        if len(self._outbox) == 1:
            self._background(self._drain())
        return True

    def keep(self, body: Body) -> None:
        """Keep a message until the epoch is there."""
        if len(self.early) < EARLY:
            self.early.append(body)
        else:
            DROPPED.labels("before the session was written").inc()

    def remember(self, command: str) -> None:
        """Remember a command until the device answers it."""
        self.sent[command] = None
        if len(self.sent) > SENT:
            del self.sent[next(iter(self.sent))]

    def close(self, code: DeviceClose) -> None:
        """Close the connection with one of our codes; what the device still sends does not count. Never waits."""
        self._end(code, _REASONS[code])

    def _end(self, code: int, reason: str) -> None:
        if self.ending:
            return
        self.ending, self._code = reason, code
        CLOSED.labels(code.name.lower() if isinstance(code, IntEnum) else str(code)).inc()
        self._background(self.socket.close(code, reason))

    async def _drain(self) -> None:
        """Send what waits; a device that does not read in time is cut off by its socket."""
        try:
            while self._outbox and not self.ending:
                text, until = self._outbox[0]
                if until is None or datetime.now(UTC) < until:
                    await self.socket.send(text)
                del self._outbox[0]
        except SocketClosed:
            self._outbox.clear()


def _ended(code: int) -> str:
    return f"the connection ended ({code})"
