"""The application: every path, who may call it, and how errors are said."""

from http import HTTPStatus
from importlib.metadata import version
from socket import socket
from typing import Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from dialplane.api import models, problems, server
from dialplane.api.admission import Admission
from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.dependencies import HEALTH, PREFIX, Api, Site, authenticated, needs
from dialplane.api.limits import UPLOADS, UPLOADS_EACH, Allowances, Limited
from dialplane.api.mount import Mount
from dialplane.store import Store, StoreError

__all__ = ["Api", "application", "serve"]

_ABOUT: Final = """\
Text messages of one site's GSM modems, notifications, outbound calls on leased extensions, and devices in lifts.

Every path asks for a token, `Authorization: Bearer TOKEN`, but for `/health`, the platform's callback, and pictures at
addresses that prove themselves. Lists come in pages: give `next` as `cursor` for the page after. Errors are problem
details (RFC 9457)."""


def application(api: Api) -> FastAPI:
    """The API of one site, to be served by `serve` or any other ASGI server."""
    app = FastAPI(
        title="Dialplane",
        version=version("dialplane"),
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.api = api
    app.state.concurrency = {}
    app.state.token_rates = {}
    bodies = {f"{_base(mount)}{path}": model for mount in api.mounts for path, model in mount.bodies.items()}
    problems.install(app, bodies)
    guarded = APIRouter(dependencies=[Depends(authenticated)])
    for mount in api.mounts:
        if mount.open is None:
            needed = [Depends(needs(mount.area))] if mount.area else []
            guarded.include_router(mount.router, prefix=_base(mount), dependencies=needed)

    @guarded.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return schema(app)

    app.include_router(guarded)
    for mount in api.mounts:
        if mount.open is not None:
            app.include_router(mount.router, prefix=PREFIX)

    @app.get(HEALTH, tags=["health"], summary="Whether the API can do its work")
    async def health(site: Site, response: Response) -> models.Health:
        """Asks the store; 503 where it does not answer. Needs no token."""
        try:
            await site.store.call(_ask)
        except StoreError:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return models.Health(status="unavailable")
        return models.Health(status="ok")

    allowances = Allowances(
        (method, f"{_base(mount)}{path}", allowance)
        for mount in api.mounts
        for method, path, allowance in mount.allowances
    )
    app.state.admission = admission = Admission(api, allowances)
    app.state.uploads = ConcurrencyLimit(UPLOADS_EACH, UPLOADS, "lists are being uploaded: try again")
    app.add_middleware(Limited, admit=admission.admit, allowances=allowances, uploads=app.state.uploads)
    if api.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(api.trusted_proxies))
    return app


async def serve(api: Api, sock: socket) -> None:
    """Serve until cancelled; `sock` comes from `server.listen`. Signals are left alone."""
    await server.serve(application(api), sock)


def schema(app: FastAPI) -> dict[str, Any]:
    """The application in OpenAPI."""
    made = app.openapi()
    made["components"]["schemas"].update(
        problems.schemas(model for mount in app.state.api.mounts for model in mount.problems)
    )
    return made


def _base(mount: Mount) -> str:
    return "" if mount.outside else PREFIX


def _ask(store: Store) -> None:
    with store.read() as connection:
        connection.execute(sa.select(1))
