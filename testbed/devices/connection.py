"""One connection of a device: `websockets` speaks the protocol, but for what there are thousands of a second of.

Frames that are built already are written as they are, and the usual pong is seen by its bytes: the load of ten thousand
devices fits into a tenth of a core. Whatever else comes goes through the library.
"""

import asyncio
import ctypes
import socket
import struct
from typing import Any, Final, Protocol

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from testbed.devices.messages import PONG

_CLOSE_SECONDS: Final = 3.0
"""How long the server may take to close the connection after the close frames."""
_SO_ATTACH_FILTER: Final = 26
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)
"""BPF: `ret 0`."""


class Owner(Protocol):
    """Whose connection it is."""

    def opened(self) -> None:
        """It was let in."""

    def ponged(self) -> None:
        """A heartbeat was answered."""

    def received(self, text: str) -> None:
        """A message came."""

    def ended(self, connection: "Connection", *, status: int | None, code: int) -> None:
        """It is over: `status` of HTTP where it was not let in (0: no answer), else the close code."""


class Connection(asyncio.Protocol):
    """One connection, from its request on."""

    def __init__(self, owner: Owner, uri: WebSocketURI, token: str, *, reads: bool) -> None:
        """Ask for `uri`; a `token` goes into the header."""
        self._owner = owner
        self._protocol = ClientProtocol(uri)
        self._token = token
        self._reads = reads
        self._status: int | None = 0
        self._eof = False
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether messages go over it."""
        return self._protocol.state is State.OPEN

    @property
    def waits(self) -> bool:
        """Whether nobody has answered its request yet."""
        return self._protocol.state is State.CONNECTING and not self._status

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be let in."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- a connection is one
        self._transport = transport
        request = self._protocol.connect()
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if data == PONG and self.open:
            self._owner.ponged()
            return
        self._protocol.receive_data(data)
        self._take()

    def eof_received(self) -> None:
        """Nothing more comes."""
        self._eof = True
        self._protocol.receive_eof()
        self._take()

    def connection_lost(self, _error: Exception | None) -> None:
        """It is over."""
        if not self._eof:
            self._protocol.receive_eof()
        close = self._protocol.close_rcvd
        code = close.code if close else int(CloseCode.ABNORMAL_CLOSURE)
        self._owner.ended(self, status=self._status, code=code)

    def write(self, data: bytes) -> None:
        """Send bytes as they are; nothing where the connection is not open."""
        if self._transport is not None and self.open and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close it as one should, with 1000."""
        if self.open:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
        else:
            self.abort()

    def abort(self) -> None:
        """End it at once, without a word of WebSockets."""
        if self._transport is not None:
            self._transport.abort()

    def vanish(self) -> None:
        """Be gone as behind a cut cable: what comes from now on is dropped by the kernel before TCP has it.

        Nothing is acknowledged any more, and no FIN goes out; the caller sends nothing over it and keeps it.
        """
        if self._transport is not None:
            sock: socket.socket = self._transport.get_extra_info("socket")
            program = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))

    def _take(self) -> None:
        for event in self._protocol.events_received():
            self._event(event)
        self._flush()

    def _event(self, event: Any) -> None:
        if isinstance(event, Response):
            self._status = event.status_code
            if self.open:
                self._status = None
                if not self._reads and self._transport is not None:
                    self._transport.pause_reading()
                self._owner.opened()
        elif isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._parts.append(bytes(event.data))
            if event.fin:
                text = b"".join(self._parts).decode(errors="replace")
                self._parts.clear()
                self._owner.received(text)

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._protocol.data_to_send():
            if not data:
                self._transport.close()
            elif not self._transport.is_closing():
                self._transport.write(data)
        if self._protocol.close_expected() and not self._transport.is_closing():
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self._transport.abort)
