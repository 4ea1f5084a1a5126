"""A call's life as a stream of server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.dependencies import Api, Site
from dialplane.api.problems import described
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, Served, call_of
from dialplane.services.infinity.api.calls import CallId
from dialplane.services.infinity.api.limits import STREAM_SECONDS, STREAMS
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables import call_records
from dialplane.services.infinity.tables.calls import Call, CallState
from dialplane.store import StoreUnavailable

router = APIRouter()

LOOK_SECONDS: Final = 1.0
"""Between two looks into the store, for what another process does."""
HEARTBEAT_SECONDS: Final = 15
"""Between two comments that keep the line open."""

_RANK: Final[dict[CallState, int]] = {"reserved": 0, "dialing": 1, "active": 2, "released": 3}


_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "event": {"const": "state"},
        "id": {"enum": list(_RANK), "description": "The state."},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "The call."},
    },
}


class _Stream(EventSourceResponse):
    """A stream that is counted."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], streams: ConcurrencyLimit, token: str) -> None:
        super().__init__(events, ping=HEARTBEAT_SECONDS, sep="\n", send_timeout=HEARTBEAT_SECONDS)
        self._streams = streams
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        with self._streams.one(self._token):
            await super().__call__(scope, receive, send)


@router.get(
    "/calls/{id}/events",
    summary="Follow a call",
    response_class=Response,
    responses={
        200: {
            "description": "Events `state`: `id` is the state, `data` the call as JSON. Ends after `released`.",
            "content": {"text/event-stream": {"schema": _EVENT}},
        },
        204: {"description": "`Last-Event-ID` is `released`: nothing will follow."},
        **described(HTTPStatus.NOT_FOUND),
    },
)
async def events(
    request: Request,
    api: Site,
    infinity: Served,
    holder: Held,
    id: CallId,  # noqa: A002 -- the path's name for it
    last: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=64, description="The last state that was received.")
    ] = None,
) -> Response:
    """The call's states as server-sent events, the present one first; it ends after `released`, or 15 minutes.

    Whoever comes back with `Last-Event-ID` is told only what came after it.
    """
    call = await call_of(api, holder, id)
    seen = next((rank for state, rank in _RANK.items() if state == last), -1)
    if seen >= _RANK["released"]:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    streams = STREAMS.of(request.app)
    streams.check(holder.name)
    return _Stream(_life(api, infinity, call.id, seen), streams, holder.name)


async def _life(api: Api, infinity: InfinityService, call_id: str, seen: int) -> AsyncIterator[ServerSentEvent]:
    end = time.monotonic() + STREAM_SECONDS
    with infinity.follow(call_id) as changes:
        call = await _look(api, call_id)  # after `follow`, so that nothing is missed
        while time.monotonic() < end:
            if call is not None and _RANK[call.state] > seen:
                seen = _RANK[call.state]
                yield ServerSentEvent(models.call(call).model_dump_json(), event="state", id=call.state)
            if seen >= _RANK["released"]:
                return
            try:
                call = await asyncio.wait_for(changes.get(), LOOK_SECONDS)
            except TimeoutError:
                call = await _look(api, call_id)


async def _look(api: Api, call_id: str) -> Call | None:
    try:
        return await api.store.call(call_records.get, api.site, call_id)
    except StoreUnavailable:
        return None  # the next look may find it
