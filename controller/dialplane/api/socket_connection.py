"""One WebSocket as ASGI has it: from the head of its upgrade to its end. picows reads and writes the frames."""

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its types
from starlette.types import Message, Scope
from uvicorn.server import ServerState
from websockets.frames import CloseCode

from dialplane.api.websockets import ABORT, LISTEN, SEND, WRITABLE, SocketApplication
from dialplane.logs import log_unexpected

FRAGMENTS: Final = 1024
"""Frames of one message: empty ones count nothing towards its size."""
AHEAD: Final = 4
"""Messages that may wait for their endpoint while more is read."""
AHEAD_BYTES: Final = 4096
"""Bytes of a message that may wait so; reading stops at a longer one."""
EARLY_BYTES: Final = 4096
"""Bytes that may come before the answer to the upgrade; reading stops then."""
CLOSE_SECONDS: Final = 2.0
"""How long the peer may take to answer a close frame."""
READ_BUFFER: Final = 2048
"""Bytes that each connection has for reading, to begin with."""


class _Silence:
    """The log of picows, which would have lines for what any peer gets wrong."""

    def isEnabledFor(self, _: int) -> bool:  # noqa: N802 -- logging's name
        """Return that nothing is logged."""
        return False

    def log(self, *_: object) -> None:
        """Log nothing."""

    debug = info = warning = error = exception = log


_SILENCE: Final = _Silence()


class SocketConnection(WSListener, asyncio.Protocol):
    """A connection whose upgrade was asked for.

    Until the application accepts it nothing is read beyond `EARLY_BYTES`. Its peer cannot make the process keep what it
    does not read: pings to somebody who does not read end the connection.
    """

    def __init__(
        self,
        app: SocketApplication,
        scope: Scope,
        key: tuple[str, str],
        transport: asyncio.Transport,
        state: ServerState,
    ) -> None:
        """Begin; `run` serves it.

        Args:
            app: takes the WebSocket.
            scope: of the HTTP request.
            key: the request's `Sec-WebSocket-Version` and `Sec-WebSocket-Key`.
            transport: of the connection, which is this protocol's from now on.
            state: of the server, which ends its connections by `shutdown`.
        """
        self.transport = transport
        self._app = app
        self._key = key
        self._state = state
        self._largest = app.largest_message
        self._early = bytearray()
        self._frames: WSTransport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._waiter: asyncio.Future[None] | None = None
        self._take: Callable[[str | bytes], None] | None = None
        self._failure: Exception | None = None
        self._parts: list[bytes] = []
        self._part_bytes = 0
        self._text = False
        self._closing = False
        """A close frame is out, or an answer that refuses."""
        self._refusal: list[bytes] | None = None
        self._ended: int | None = None
        """The close code, once nothing comes any more."""
        self._close_timer: asyncio.TimerHandle | None = None
        self._scope: Scope = {
            **{name: value for name, value in scope.items() if name != "method"},
            "type": "websocket",
            "scheme": "wss" if scope["scheme"] == "https" else "ws",
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {
                ABORT: transport.abort,
                WRITABLE: self._writable.is_set,
                SEND: self._send_now,
                LISTEN: self.listen,
            },
        }
        transport.set_protocol(self)
        state.connections.add(self)  # type: ignore[arg-type]

    def start(self) -> None:
        """Serve it in a task of the server."""
        task = asyncio.get_running_loop().create_task(self._run())
        task.add_done_callback(self._state.tasks.discard)
        self._state.tasks.add(task)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 -- one connection ends, not the server
            log_unexpected("a WebSocket failed", error, path=self._scope["path"])
        if self._close_timer is None:
            self.transport.close()

    def shutdown(self) -> None:
        """End it, because the server stops."""
        if self._frames is None:
            if not self._closing:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, [])
            self.transport.close()
        elif not self._writable.is_set():
            self.transport.abort()  # it would not read a close frame
        elif self._closing:
            self._forget_timer()
            self.transport.close()
        else:
            self._end(CloseCode.SERVICE_RESTART)
            self._send_close(CloseCode.SERVICE_RESTART, "")
            self.transport.close()

    # --- the application's side

    async def receive(self) -> Message:
        """Return the next event of ASGI."""
        while not self._messages:
            if self._ended is not None:
                return {"type": "websocket.disconnect", "code": self._ended}
            self.transport.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._messages.popleft()

    async def listen(self, take: Callable[[str | bytes], None]) -> int:
        """Hand each message to `take` as it comes, without a task in between; return the close code at the end.

        What `take` raises ends it, and is raised here.
        """
        self._take = take
        while self._messages:
            message = self._messages.popleft()
            text = message.get("text")
            take(message["bytes"] if text is None else text)
        self.transport.resume_reading()
        while self._ended is None and self._failure is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._failure is not None:
            raise self._failure
        return self._ended or CloseCode.ABNORMAL_CLOSURE

    async def send(self, message: Message) -> None:
        """Take an event of ASGI.

        Raises:
            OSError: the peer is gone, or the socket was closed.
        """
        await self._writable.wait()
        kind = message["type"]
        if kind == "websocket.http.response.start":
            self._closing, self._refusal = True, []
            self._answer(message["status"], message["headers"])
        elif kind == "websocket.http.response.body" and self._refusal is not None:
            self.transport.write(message.get("body", b""))
        elif self._ended is not None or self._closing or self.transport.is_closing():
            raise ConnectionResetError
        elif kind == "websocket.accept":
            self._accept()
        elif kind == "websocket.send":
            text = message.get("text")
            self._send_now(message["bytes"] if text is None else text)
        elif kind == "websocket.close":
            self._send_close(message.get("code", CloseCode.NORMAL_CLOSURE), message.get("reason") or "")
            loop = asyncio.get_running_loop()
            self._close_timer = loop.call_later(CLOSE_SECONDS, self.transport.close)
            self.transport.resume_reading()  # its answer, behind all that it sent before

    def _send_now(self, message: str | bytes) -> bool:
        """Send a message that does not wait; return False where the socket is closed."""
        if self._frames is None or self._closing or self._ended is not None:
            return False
        if isinstance(message, str):
            self._frames.send(WSMsgType.TEXT, message.encode())
        else:
            self._frames.send(WSMsgType.BINARY, message)
        return True

    def _answer(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())]
        lines += [b"%b: %b" % field for field in headers if field[0].lower() != b"connection"]
        if not headers:
            lines.append(b"content-length: 0")
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", b""]))

    def _accept(self) -> None:
        """Hand the connection to picows, with a head that has what picows reads of it."""
        protocol = WSProtocol(
            None, None, False, lambda _: self, _SILENCE, True, None, False, 20, 20, 1, False, self._largest, None,
            READ_BUFFER,
        )  # fmt: skip
        protocol.connection_made(self.transport)
        version, key = self._key
        head = (
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        waiting = memoryview(head.encode("latin-1", "replace") + bytes(self._early))
        self._early.clear()
        self.transport.set_protocol(protocol)
        while waiting and not self.transport.is_closing():
            room = protocol.get_buffer(-1)
            size = min(len(room), len(waiting))
            room[:size] = waiting[:size]
            protocol.buffer_updated(size)
            waiting = waiting[size:]
        if self._frames is None:  # a head that picows refuses
            self._closing = True
            self._end(CloseCode.ABNORMAL_CLOSURE)

    # --- the peer's side

    def data_received(self, data: bytes) -> None:
        """Keep what comes before the answer to the upgrade."""
        self._early += data
        if len(self._early) > EARLY_BYTES:
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End before the answer to the upgrade."""
        del exc
        self._lose()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Note that the upgrade was answered."""
        self._frames = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """End."""
        del transport
        self._lose()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writable.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame."""
        kind = frame.msg_type
        if self._closing and kind != WSMsgType.CLOSE:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._fail(CloseCode.PROTOCOL_ERROR)
        elif kind == WSMsgType.TEXT or kind == WSMsgType.BINARY:  # noqa: PLR1714 -- they are compared as numbers
            if self._parts:
                self._fail(CloseCode.PROTOCOL_ERROR)
            elif frame.fin:
                self._take_message(frame.get_payload_as_bytes(), text=kind == WSMsgType.TEXT)
            else:
                self._text = kind == WSMsgType.TEXT
                self._keep_part(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CONTINUATION:
            self._continue(frame)
        elif kind == WSMsgType.PING:
            if self._writable.is_set():
                transport.send_pong(frame.get_payload_as_bytes())
            else:
                self.transport.abort()  # its pongs would pile up
        elif kind == WSMsgType.CLOSE:
            self._closed_by_peer(frame)

    def _continue(self, frame: WSFrame) -> None:
        if not self._parts:
            self._fail(CloseCode.PROTOCOL_ERROR)
            return
        if len(self._parts) >= FRAGMENTS or self._part_bytes + frame.payload_size > self._largest:
            self._fail(CloseCode.MESSAGE_TOO_BIG)
            return
        self._keep_part(frame.get_payload_as_bytes())
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts, self._part_bytes = [], 0
            self._take_message(whole, text=self._text)

    def _keep_part(self, part: bytes) -> None:
        self._parts.append(part)
        self._part_bytes += len(part)

    def _take_message(self, data: bytes, *, text: bool) -> None:
        message: str | bytes = data
        if text:
            try:
                message = data.decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA)
                return
        if self._take is not None:
            try:
                self._take(message)
            except Exception as error:  # noqa: BLE001 -- the endpoint's, which `listen` raises
                self._failure = self._failure or error
                self._wake()
            return
        self._messages.append({"type": "websocket.receive", "text" if text else "bytes": message})
        if len(self._messages) > AHEAD or len(data) > AHEAD_BYTES:
            self.transport.pause_reading()
        self._wake()

    def _closed_by_peer(self, frame: WSFrame) -> None:
        code = _number(frame.get_close_code())
        self._end(code or CloseCode.NO_STATUS_RCVD)
        if not self._closing:
            self._send_close(code or CloseCode.NORMAL_CLOSURE, "")
        self._forget_timer()
        self.transport.close()

    def _fail(self, code: CloseCode) -> None:
        """End a connection whose peer breaks the protocol."""
        self._send_close(code, "")
        self._end(code)
        self.transport.close()

    def _send_close(self, code: int, reason: str) -> None:
        self._closing = True
        if self._frames is not None:
            self._frames.send_close(cast("WSCloseCode", code), reason.encode())  # it is a number

    def _lose(self) -> None:
        self._forget_timer()
        self._state.connections.discard(self)
        frames = self._frames
        sent = frames.close_handshake.sent if frames is not None and frames.close_handshake is not None else None
        self._end(_number(sent.code) if sent is not None else CloseCode.ABNORMAL_CLOSURE)
        self._writable.set()  # who waits to send learns that it is over

    def _end(self, code: int) -> None:
        if self._ended is None:
            self._ended = code
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _forget_timer(self) -> None:
        if self._close_timer is not None:
            self._close_timer.cancel()


def _number(code: WSCloseCode) -> int:
    return cast("int", code)  # an Enum in its types alone


def key_of(headers: list[tuple[bytes, bytes]]) -> tuple[str, str]:
    """Return version and key of an upgrade, empty where they are not there; `headers` have names in small letters."""
    fields = dict(headers)
    version, key = fields.get(b"sec-websocket-version", b""), fields.get(b"sec-websocket-key", b"")
    return version.decode("latin-1"), key.decode("latin-1")
