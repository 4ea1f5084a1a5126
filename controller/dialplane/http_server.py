"""uvicorn as one task among others: the probes of the operator and the HTTP API are served alike."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

CONNECTIONS: Final = 200
"""Connections at a time; more are told 503."""
IDLE_SECONDS: Final = 15
"""How long an idle connection is kept."""


class CannotListen(Exception):
    """The address cannot be had: the user chooses another one. uvicorn itself would leave by SystemExit."""


class _Server(uvicorn.Server):
    """uvicorn without its hands on the signals: the root owns them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(address: str) -> socket.socket:
    """A listening socket for `HOST:PORT` (`[::]:8080`, `:8080`; port 0 takes a free one).

    Raises:
        CannotListen: with the reason.
    """
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=_family(host), backlog=128)
    except (OSError, ValueError, OverflowError) as error:
        raise CannotListen(f"cannot listen on {address!r}: {error}") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def serve(app: Any, sock: socket.socket) -> None:
    """Serve an ASGI application until cancelled; then stop within half a second."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=IDLE_SECONDS,
        limit_concurrency=CONNECTIONS,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait([serving], timeout=0.5)
        sock.close()
