"""Calls of bots: listed, shown with what was said, and heard."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.dependencies import Limit, Site
from dialplane.api.problems import Refusal, described
from dialplane.api.query import Since, Until
from dialplane.resources.fields import CallerNumber, ObjectName
from dialplane.services.voicebot.api import models
from dialplane.services.voicebot.api.access import CALL_ID, ByToken, CallId, Served, call_of, reach
from dialplane.services.voicebot.api.limits import LISTENING
from dialplane.services.voicebot.spellings import spellings
from dialplane.services.voicebot.tables import calls, turns
from dialplane.services.voicebot.tables.calls import CallFilter, CallOutcome
from dialplane.storage.errors import ObjectMissing, StorageError
from dialplane.storage.object_storage import StoredObject

log = structlog.get_logger(__name__)
router = APIRouter()

_MEDIA_TYPES: Final = {"wav": "audio/wav", "ogg": "audio/ogg", "opus": "audio/ogg", "flac": "audio/flac"}
_OTHER: Final = "application/octet-stream"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
_RECORDING: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The recording.",
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}} for name in {*_MEDIA_TYPES.values(), _OTHER}
        },
    }
}


@router.get("/calls", summary="Calls of bots, the newest first", responses=described())
async def listed(
    api: Site,
    bots: Served,
    holder: ByToken,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=CALL_ID, description="`next` of the page before.")] = None,
    bot: Annotated[ObjectName | None, Query(description="Only those of this VoiceBot.")] = None,
    outcome: Annotated[CallOutcome | None, Query(description="Only those that ended so.")] = None,
    active: Annotated[bool | None, Query(description="Only those that go on, or that are over.")] = None,
    caller: Annotated[
        CallerNumber | None, Query(description="Only those of this number, which called or was called.")
    ] = None,
    campaign: Annotated[ObjectName | None, Query(description="Only those of this Campaign.")] = None,
    since: Since = None,
    until: Until = None,
) -> models.BotCallPage:
    """A page of the calls of the bots that the token may read, those that go on among them."""
    readable = reach(holder, "read")
    only = CallFilter(
        bots=readable,
        bot=bot,
        numbers=spellings(caller, bots.keeper.numbering) if caller else (),
        outcome=outcome,
        going_on=active,
        campaign=campaign,
        since=since,
        until=until,
    )
    # An id and no running number: that would tell how many calls others have.
    last = None if cursor is None else await api.store.call(calls.get, api.site, cursor)
    if cursor is not None and (last is None or (readable is not None and last.bot not in readable)):
        return models.BotCallPage(items=[], next=None)  # forgotten meanwhile, and so is what was before it
    page = await api.store.call(calls.page, api.site, only, limit=limit, before=last)
    return models.BotCallPage(
        items=[models.CallOfBot.of(each) for each in page.calls], next=page.calls[-1].id if page.more else None
    )


@router.get("/calls/{id}", summary="One call of a bot", responses=described(HTTPStatus.NOT_FOUND))
async def one(api: Site, holder: ByToken, id: CallId) -> models.CallWithTurns:  # noqa: A002 -- the path's name for it
    """A call as it is now, with what was said so far: a second late at most."""
    found = await call_of(api, holder, id)
    return models.CallWithTurns.with_turns(found, await api.store.call(turns.of_call, api.site, id))


@router.get(
    "/calls/{id}/recording",
    summary="Hear a call of a bot",
    response_class=Response,
    responses={**_RECORDING, **described(HTTPStatus.NOT_FOUND)},
)
async def recording(
    request: Request,
    api: Site,
    bots: Served,
    holder: ByToken,
    id: CallId,  # noqa: A002 -- as above
) -> Response:
    """The recording of a call, from its end on until its time is over."""
    found = await call_of(api, holder, id)
    if found.recording is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"the call {id} has no recording")
    listening = LISTENING.of(request.app)
    listening.check(holder.name)
    try:
        stored = await bots.keeper.recordings.read(found.recording)
    except ObjectMissing:
        raise Refusal(HTTPStatus.NOT_FOUND, "this recording was deleted") from None
    except StorageError:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "the storage of recordings does not answer: try again", Retry_After="5"
        ) from None
    suffix = found.recording.rpartition(".")[2]
    return _Listened(stored, f"{id}.{suffix}", _MEDIA_TYPES.get(suffix, _OTHER), listening, holder.name)


class _Listened(StreamingResponse):
    """A recording on its way, which is counted."""

    def __init__(self, stored: StoredObject, name: str, media_type: str, open_: ConcurrencyLimit, token: str) -> None:
        headers = {
            **_HEADERS,
            "Content-Length": str(stored.size),
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        super().__init__(_pieces(stored), headers=headers, media_type=media_type)
        self._open = open_
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        with self._open.one(self._token):
            await super().__call__(scope, receive, send)


async def _pieces(stored: StoredObject) -> AsyncIterator[bytes]:
    try:
        async for piece in stored.pieces:
            yield piece
    except StorageError as error:  # the connection is closed: fewer bytes came than were announced
        log.warning("a recording broke off", reason=str(error))
