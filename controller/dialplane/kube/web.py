"""The operator's own small web server: probes and metrics. No secret and no name of a resource passes here."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dialplane.kube.errors import FatalError

UNREADY = 503


def application(unready: Callable[[], Sequence[str]], refresh: Callable[[], None]) -> FastAPI:
    """The app.

    Args:
        unready: why the process is not ready, in words; empty where it is.
        refresh: sets the gauges that are cheaper to compute when asked for.
    """
    app = FastAPI(title="Dialplane operator", openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        """The loop turns: that this is answered is the proof."""
        return PlainTextResponse("ok")

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        reasons = unready()
        return PlainTextResponse("\n".join(reasons), UNREADY) if reasons else PlainTextResponse("ok")

    @app.get("/metrics")
    async def metrics() -> Response:
        refresh()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


class _Server(uvicorn.Server):
    """uvicorn without its hands on the signals: the root owns them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(address: str) -> socket.socket:
    """A listening socket for `HOST:PORT` (`[::]:8080`, `:8080`; port 0 takes a free one).

    Raises:
        FatalError: the address cannot be had. uvicorn itself would leave by SystemExit.
    """
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=_family(host), backlog=128)
    except (OSError, ValueError) as error:
        raise FatalError(f"cannot listen on {address!r}: {error}; set another one with --metrics-address") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def serve(app: FastAPI, sock: socket.socket) -> None:
    """Serve until cancelled; then stop within a fifth of a second."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, server_header=False
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait([serving], timeout=0.5)
        sock.close()
