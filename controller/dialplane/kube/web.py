"""The operator's own small web server: probes and metrics. No secret and no name of a resource passes here."""

import socket
from collections.abc import Callable, Sequence

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dialplane.api import server
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


def listen(address: str) -> socket.socket:
    """A listening socket for `HOST:PORT`.

    Raises:
        FatalError: the address cannot be had.
    """
    try:
        return server.listen(address)
    except server.CannotListen as error:
        raise FatalError(f"{error}; set another one with --metrics-address") from error
