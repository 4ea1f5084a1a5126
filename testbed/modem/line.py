"""One controller's line: everything passes to the real Asterisk and back, but the driver's actions and events.

Asterisk answers one connection strictly in order. To keep that, and to let Asterisk itself judge who may do what, an
intercepted action is replaced on its way by a question (:mod:`testbed.modem.actions`), and the question's answer on
its way back by the driver's. So the action happens when Asterisk comes to it.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from testbed.modem.actions import Actions, Handler, Lost, Mischief, Question
from testbed.modem.message import Action, Cutter, answer, encode, event

_END = b"\r\n\r\n"
_CHUNK = 1 << 16
_MARK = "dialplane-modem-"
_QUEUE_LIMIT = 5_000
Classes = frozenset[str]


@dataclass(frozen=True)
class _Asked:
    action: Action
    question: Question
    handler: Handler


@dataclass(frozen=True)
class Cuts:
    """How what goes to a client is cut into packets.

    Attributes:
        offsets: byte offsets inside each message.
        characters: also after the first byte of each character of several bytes.
        pause: seconds between two packets.
    """

    offsets: tuple[int, ...] = ()
    characters: bool = False
    pause: float = 0.005

    def pieces(self, message: bytes) -> list[bytes]:
        """The packets of one message."""
        at = {offset for offset in self.offsets if 0 < offset < len(message)}
        if self.characters:
            at |= {index + 1 for index, byte in enumerate(message[:-1]) if byte >= 0xC0}  # noqa: PLR2004 -- UTF-8
        ends = [0, *sorted(at), len(message)]
        return [message[begin:end] for begin, end in itertools.pairwise(ends)]


@dataclass
class LineSettings:
    """What all lines have in common, and a test may change.

    Attributes:
        asterisk: host and port of the real one.
        reads: user -> the classes of events that its account reads; who is not in it reads ``call``.
        cuts: None sends as it comes.
    """

    asterisk: tuple[str, int]
    reads: Mapping[str, Classes]
    mischief: Mischief
    cuts: Cuts | None = None


class Line:
    """One connection; :meth:`run` returns when it has ended."""

    def __init__(
        self, settings: LineSettings, actions: Actions, client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        self._settings, self._actions = settings, actions
        self._from_client, self._to_client = client
        self._to_asterisk: asyncio.StreamWriter | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[bytes, _Asked] = {}
        self._logins: deque[tuple[str, Classes]] = deque()
        self._masks: deque[Classes] = deque()
        self._out: deque[bytes | float | None] = deque()
        self._changed, self._room = asyncio.Event(), asyncio.Event()
        self._remaining: int | None = None
        self.gone = False
        self.user = ""
        self.hears = False
        self.sent_events = 0

    @property
    def report(self) -> dict[str, object]:
        """For the control port."""
        return {"user": self.user, "hears": self.hears, "events": self.sent_events}

    def tell(self, message: bytes) -> None:
        """Send an event of class ``call``, if this client hears such."""
        if self.hears and not self.gone:
            self.sent_events += 1
            self._put(message)

    def drop(self, after_bytes: int = 0) -> None:
        """Cut the line, at once or after so many more bytes to the client, wherever that is."""
        if after_bytes:
            self._remaining = after_bytes
        else:
            self._to_client.transport.abort()
            self._close()

    async def run(self) -> None:
        """Serve until either side ends."""
        try:
            reader, writer = await asyncio.open_connection(*self._settings.asterisk, limit=_CHUNK)
        except OSError:
            self._close()
            return
        self._to_asterisk = writer
        sender = asyncio.create_task(self._send())
        receiver = asyncio.create_task(self._forward(writer))
        try:
            await self._back(reader)
            self._put(None)
            await sender
        finally:
            for task in (receiver, sender):
                task.cancel()
            await asyncio.gather(receiver, sender, return_exceptions=True)
            writer.close()
            self.gone = True
            self._to_client.close()

    async def _forward(self, writer: asyncio.StreamWriter) -> None:
        """From the client. What it sent before it left is still carried out, as Asterisk would."""
        cutter = Cutter()
        with suppress(OSError):
            while data := await self._from_client.read(_CHUNK):
                for action in cutter.feed(data):
                    writer.write(self._outgoing(action))
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()

    def _outgoing(self, action: Action) -> bytes:
        name = action.get("Action").lower()
        if name == "login":
            self._logins.append((action.get("Username"), _mask(action.get("Events"))))
        elif name == "events":
            self._masks.append(_mask(action.get("EventMask")))
        found = self._actions.find(action)
        if found is None:
            return action.raw
        mark = f"{_MARK}{next(self._numbers)}"
        self._asked[mark.encode()] = _Asked(action, *found)
        return encode([*found[0].fields, ("ActionID", mark)])

    async def _back(self, reader: asyncio.StreamReader) -> None:
        """From Asterisk; only whole messages are handed on, so that an event fits between any two."""
        with suppress(OSError):
            buffer = await reader.readline()  # the banner
            self._put(buffer)
            buffer = b""
            while data := await reader.read(_CHUNK):
                buffer += data
                *messages, buffer = buffer.split(_END)
                for message in messages:
                    self._incoming(message + _END)
                if len(self._out) > _QUEUE_LIMIT and not self.gone:
                    self._room.clear()
                    await self._room.wait()
            if buffer:
                self._put(buffer)

    def _incoming(self, message: bytes) -> None:
        if message.startswith(b"Response: "):
            fields = dict(line.split(b": ", 1) for line in message.splitlines() if b": " in line)
            if (asked := self._asked.pop(fields.get(b"ActionID", b""), None)) is not None:
                self._answer(asked, fields.get(b"Response", b"").decode(), fields.get(b"Message", b"").decode())
                return
            if fields.get(b"Message") == b"Authentication accepted" and self._logins:
                self.user, mask = self._logins.popleft()
                self._hear(mask)
            elif b"Events" in fields and self._masks:
                self._hear(self._masks.popleft())
        self._put(message)

    def _hear(self, mask: Classes) -> None:
        readable = self._settings.reads.get(self.user, frozenset({"call"}))
        self.hears = bool({"call", "all"} & readable) and bool({"call", "all", "on"} & mask)

    def _answer(self, asked: _Asked, response: str, message: str) -> None:
        granted = message == asked.question.granted if asked.question.granted else response == "Success"
        if not granted:
            self._put(answer(asked.action, message, ok=False))
            return
        try:
            reply = asked.handler(asked.action, self.user)
        except Lost:
            self._put(None)
            return
        mischief = self._settings.mischief
        if mischief.slow_answers:
            mischief.slow_answers -= 1
            self._put(mischief.slow)
        self._put(reply)

    def _put(self, item: bytes | float | None) -> None:
        """Queue bytes, a pause in seconds, or None, the end of the line."""
        if not self.gone:
            self._out.append(item)
            self._changed.set()

    async def _send(self) -> None:
        with suppress(OSError):
            while not self.gone:
                if not self._out:
                    self._room.set()
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                item = self._out.popleft()
                if item is None:
                    await self._to_client.drain()
                    self._close()
                elif isinstance(item, float):
                    await asyncio.sleep(item)
                else:
                    await self._write(item)
        self._out.clear()

    async def _write(self, message: bytes) -> None:
        cuts = self._settings.cuts
        for piece in cuts.pieces(message) if cuts else [message]:
            if self._remaining is not None:
                self._remaining -= len(piece)
                if self._remaining <= 0:
                    self._to_client.write(piece[: len(piece) + self._remaining])
                    self._close()
                    return
            self._to_client.write(piece)
            if self._to_client.transport.get_write_buffer_size():
                await self._to_client.drain()
            if cuts:
                await asyncio.sleep(cuts.pause)

    def _close(self) -> None:
        self.gone = True
        self._to_client.close()
        self._changed.set()
        self._room.set()


class Lines:
    """Every line that is open, and the port where they come in."""

    def __init__(self, settings: LineSettings, prefix: str) -> None:
        self.settings, self._prefix = settings, prefix
        self.actions: Actions | None = None
        self.open: set[Line] = set()
        self.count = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client came; the callback of ``asyncio.start_server``."""
        if self.actions is None:
            raise RuntimeError("no actions yet: they reach the driver, which tells its events here")
        line = Line(self.settings, self.actions, (reader, writer))
        self.open.add(line)
        self.count += 1
        try:
            await line.run()
        finally:
            self.open.discard(line)

    def emit(self, name: str, fields: Sequence[tuple[str, str]]) -> None:
        """Tell an event of the driver to all who hear it."""
        if self.actions is None or not self.actions.loaded:
            return
        message = event(self._prefix + name, fields)
        for line in self.open:
            line.tell(message)


def _mask(given: str) -> Classes:
    """The classes of ``Events:`` or ``EventMask:``; nothing said means all."""
    return frozenset(part.strip().lower() for part in (given or "on").split(","))
