"""uvicorn as one task among others: the probes of the operator and the HTTP API are served alike.

WebSockets have a server of their own, `socket_server`.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS: Final = 600
"""Connections at a time; more are told 503. Two hundred callers may wait for an extension, as many follow
their calls."""
IDLE_SECONDS: Final = 15
"""How long an idle connection is kept."""
HEAD_SECONDS: Final = 10
"""How long the head of a request may take to arrive: uvicorn would wait for ever, and connections are counted."""


class CannotListen(Exception):
    """The address cannot be had: the user chooses another one. uvicorn itself would leave by SystemExit."""


class Server(uvicorn.Server):
    """uvicorn without its hands on the signals: the root owns them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class HttpProtocol(H11Protocol):
    """HTTP whose heads are bounded: in bytes by h11, and in seconds here."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first head."""
        super().connection_made(transport)
        self.await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing more."""
        self.forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the time of a head that is there; give the next one its own."""
        super().data_received(data)
        if self.served():
            self.forget_head()
        else:
            self.await_head()

    def served(self) -> bool:
        """Whether a request is being answered: no head is awaited."""
        return self.cycle is not None and not self.cycle.response_complete

    def await_head(self) -> None:
        """Give the next head its time."""
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._late)

    def forget_head(self) -> None:
        """A head is there, or nobody waits for it any more."""
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _late(self) -> None:
        self._head = None
        if not self.served():
            self.transport.close()


def listen(address: str) -> socket.socket:
    """A listening socket for `HOST:PORT` (`[::]:8080`, `:8080`; port 0 takes a free one).

    Raises:
        CannotListen: with the reason.
    """
    host, _, port = address.rpartition(":")
    try:
        sock = socket.create_server((host.strip("[]"), int(port)), family=_family(host), backlog=128)
    except (OSError, ValueError, OverflowError) as error:
        raise CannotListen(f"cannot listen on {address!r}: {error}") from error
    # Its connections inherit it. asyncio would set it on sockets of its own only, and an answer goes out in two pieces:
    # the second one would wait up to 40 ms until the first is acknowledged.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def serve(app: Any, sock: socket.socket) -> None:
    """Serve an ASGI application until cancelled; then stop within half a second."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        log_level="error",  # its warnings are a line for each request that anybody gets wrong
        lifespan="off",
        http=HttpProtocol,
        ws="none",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=IDLE_SECONDS,
        limit_concurrency=CONNECTIONS,
        proxy_headers=False,  # uvicorn would believe whoever is on this machine; the application knows its proxies
        server_header=False,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait([serving], timeout=0.5)
        sock.close()
