"""uvicorn for WebSockets, on a listener of their own: however many are open, the HTTP API has its connections."""

import asyncio
import resource
import socket
import ssl
import sys
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import h11
import uvicorn
from starlette.types import Receive, Scope, Send

from dialplane.api.server import HEAD_SECONDS, IDLE_SECONDS, HttpProtocol, Server, listen
from dialplane.api.socket_connection import SocketConnection, key_of
from dialplane.api.websockets import SocketApplication

HANDSHAKES: Final = 2000
"""Connections at a time whose head is not there; of more the oldest are cut off. A storm of devices that come back at
once stays below: their heads follow at once."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted."""
HEAD_BYTES: Final = 8 * 1024
"""How long the head of an upgrade may be."""
HEAD_FIELDS: Final = 64
"""How many fields the head of an upgrade may have."""
BUFFER: Final = 64 * 1024
"""Bytes that the kernel keeps for one peer that does not read; it would keep megabytes."""
LOST_SECONDS: Final = 15
"""How long a peer may leave sent bytes unacknowledged, or its window closed: a cut cable, a reader that stalls."""
PROBE_SECONDS: Final = 60
"""How long a connection is idle until the kernel asks whether the peer is there."""
STOP_SECONDS: Final = 0.6
"""How long peers and endpoints may take when the process stops; uvicorn itself takes 0.2 s more."""
TLS_BUFFER: Final = 16 * 1024
"""Bytes that each connection with TLS has for reading: one record. asyncio would take 256 KB, and touch them all."""
DESCRIPTORS: Final = 65_536
"""Open files that the process asks for: each connection is one."""
RESERVED: Final = 1024
"""Open files that are left to the rest of the process: the HTTP API, the database, Asterisk."""


def listen_for_sockets(address: str) -> socket.socket:
    """A listening socket for WebSockets at `HOST:PORT`, as `listen` has it; its connections inherit the options.

    Raises:
        CannotListen: with the reason.
    """
    sock = listen(address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        # No WebSocket library ends a peer that acknowledges but does not read: closing, too, waits for its buffer.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_SECONDS * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, LOST_SECONDS)
    return sock


async def serve_sockets(app: SocketApplication, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    """Serve until cancelled; then close every socket with 1012 (restart) and stop within a second.

    `sock` comes from `listen_for_sockets`. Nothing here counts against the connections of `server.serve`.
    """

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):  # by the stop below; uvicorn would log it as the application's fault
            await app(scope, receive, send)

    config = uvicorn.Config(
        quiet,
        log_config=None,
        access_log=False,
        log_level="error",
        lifespan="off",
        http=partial(_UpgradeProtocol, heads={}, most=_room(), sockets=app),  # type: ignore[arg-type]
        ws="websockets-sansio",  # or uvicorn would see no upgrade; `SocketConnection` takes them all
        timeout_graceful_shutdown=1,
        timeout_keep_alive=IDLE_SECONDS,
        backlog=BACKLOG,
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    config.ssl = tls
    if tls is not None:
        SSLProtocol.max_size = TLS_BUFFER  # of the process: there is no other way to say it
    server = _SocketServer(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.wait([serving], timeout=STOP_SECONDS)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        for task in list(server.server_state.tasks):
            task.cancel()
        await asyncio.wait([serving], timeout=STOP_SECONDS / 2)
        sock.close()


class _SocketServer(Server):
    """uvicorn whose peers have as long for TLS as for their head."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; `create_server` gives a handshake a minute, and uvicorn cannot be asked for less."""
        await self.lifespan.startup()
        protocol: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        state = self.lifespan.state
        make = partial(protocol, config=self.config, server_state=self.server_state, app_state=state)
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        limits: dict[str, Any] = {"ssl_handshake_timeout": HEAD_SECONDS} if tls else {}
        self.servers = [
            await loop.create_server(make, sock=sock, ssl=tls, backlog=self.config.backlog, **limits)
            for sock in sockets or ()
        ]
        self.started = True


class _UpgradeProtocol(HttpProtocol):
    """HTTP until the upgrade: its head has its time, what follows has none."""

    def __init__(
        self,
        *args: Any,
        heads: dict["_UpgradeProtocol", None],
        most: int,
        sockets: SocketApplication,
        **kwargs: Any,
    ) -> None:
        """Begin.

        Args:
            heads: the connections of this listener whose head is awaited.
            most: connections that the listener may have.
            sockets: takes the upgraded ones.
            args: uvicorn's.
            kwargs: uvicorn's.
        """
        super().__init__(*args, **kwargs)
        self._sockets = sockets
        self._heads = heads
        self._most = most
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self._heads) > HANDSHAKES or len(self.connections) > self._most:
            oldest = next(iter(self._heads))
            oldest.forget_head()
            oldest.connections.discard(oldest)
            oldest.transport.abort()

    def served(self) -> bool:
        return self._upgraded or super().served()

    def await_head(self) -> None:
        self._heads[self] = None
        super().await_head()

    def forget_head(self) -> None:
        self._heads.pop(self, None)
        super().forget_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if (
            len(self.headers) > HEAD_FIELDS
            or len(event.target) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES
        ):
            self.send_400_response(f"the head has more than {HEAD_BYTES:,} bytes or {HEAD_FIELDS} fields")
            return
        self._upgraded = True
        self.connections.discard(self)
        key = key_of(self.headers)
        connection = SocketConnection(self._sockets, {**self.scope}, key, self.transport, self.server_state)
        connection.data_received(self.conn.trailing_data[0])
        connection.start()


def _room() -> int:
    """How many connections the open files of this process are enough for; asks the system for more of them first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    files = DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(files - RESERVED, files // 2)
