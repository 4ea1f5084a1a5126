"""The small web server of a process: probes and metrics. No secret and no name of a resource passes here."""

from collections.abc import Callable, Sequence
from typing import Final

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

UNREADY: Final = 503


def _nothing() -> None:
    """No gauge is computed when asked for."""


def application(title: str, unready: Callable[[], Sequence[str]], refresh: Callable[[], None] = _nothing) -> FastAPI:
    """The app.

    Args:
        title: the application's.
        unready: why the process is not ready, in words; empty where it is.
        refresh: sets the gauges that are cheaper to compute when asked for.
    """
    app = FastAPI(title=title, openapi_url=None)

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
