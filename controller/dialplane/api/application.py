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
from dialplane.api.at_once import ConcurrencyLimit
from dialplane.api.dependencies import HEALTH, PREFIX, Api, Site, authenticated, needs
from dialplane.api.limits import UPLOADS, UPLOADS_EACH, Limited
from dialplane.resources.sms_message import SmsMessageSpec
from dialplane.services.infinity.api import routes
from dialplane.services.infinity.api.calls import PLACING, PLACING_EACH
from dialplane.services.infinity.api.events import STREAMS, STREAMS_EACH
from dialplane.services.infinity.api.models import MakeCall
from dialplane.services.notify import api as notifications
from dialplane.services.sms import api as messages
from dialplane.store import Store, StoreError

__all__ = ["Api", "application", "serve"]

_ABOUT: Final = """\
Text messages of one site's GSM modems, notifications, and outbound calls on leased extensions.

Every path but `/health` and the platform's callback asks for a token: `Authorization: Bearer TOKEN`. Lists come in
pages: give `next` as `cursor` for the page after. Errors are problem details (RFC 9457)."""


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
    problems.install(app, {f"{PREFIX}/sms": SmsMessageSpec, f"{PREFIX}/infinity/make-call": MakeCall})
    app.state.streams = ConcurrencyLimit(STREAMS_EACH, STREAMS, "event streams are open")
    app.state.placing = ConcurrencyLimit(PLACING_EACH, PLACING, "calls are being placed")
    guarded = APIRouter(prefix=PREFIX, dependencies=[Depends(authenticated)])
    guarded.include_router(messages.router, dependencies=[Depends(needs("sms"))])
    guarded.include_router(notifications.router, dependencies=[Depends(needs("notifications"))])

    guarded.include_router(routes.guarded)

    @guarded.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return schema(app)

    app.include_router(guarded)
    app.include_router(routes.platform, prefix=PREFIX)

    @app.get(HEALTH, tags=["health"], summary="Whether the API can do its work")
    async def health(site: Site, response: Response) -> models.Health:
        """Asks the store; 503 where it does not answer. Needs no token."""
        try:
            await site.store.call(_ask)
        except StoreError:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return models.Health(status="unavailable")
        return models.Health(status="ok")

    app.state.door = door = Admission(api)
    app.state.uploads = ConcurrencyLimit(UPLOADS_EACH, UPLOADS, "lists are being uploaded: try again")
    app.add_middleware(Limited, admit=door.admit, uploads=app.state.uploads)
    if api.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(api.trusted_proxies))
    return app


async def serve(api: Api, sock: socket) -> None:
    """Serve until cancelled; `sock` comes from `server.listen`. Signals are left alone."""
    await server.serve(application(api), sock)


def schema(app: FastAPI) -> dict[str, Any]:
    """The application in OpenAPI."""
    made = app.openapi()
    made["components"]["schemas"].update(problems.schemas())
    return made


def _ask(store: Store) -> None:
    with store.read() as connection:
        connection.execute(sa.select(1))
