"""The journal of a device: its own log lines, and what happened to it; in pages, and exported as JSON lines."""

from collections.abc import AsyncIterator
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.dependencies import Api, Before, Limit, Site
from dialplane.api.models import cursor
from dialplane.api.problems import described
from dialplane.api.query import Since
from dialplane.services.elevator.api import models
from dialplane.services.elevator.api.access import ByToken, DeviceId, Served, device_of
from dialplane.services.elevator.api.limits import EXPORTING
from dialplane.services.elevator.tables import journal
from dialplane.services.elevator.tables.journal import EntryType
from dialplane.store import StoreError

router = APIRouter()

MEDIA_TYPE: Final = "application/x-ndjson"
AT_A_TIME: Final = 500
"""Entries that are in memory during an export."""
_BROKEN: Final = '{"error":"the store does not answer: the export is incomplete"}\n'

Types = Annotated[list[EntryType] | None, Query(alias="type", description="Only entries of these types.")]


@router.get(
    "/{id}/journal", summary="The journal of a device, the newest first", responses=described(HTTPStatus.NOT_FOUND)
)
async def page(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- the path's name for it
    before: Before,
    limit: Limit = 50,
    types: Types = None,
    since: Since = None,
) -> models.DeviceJournalPage:
    """A page of what a device said, and of what happened to it. How much is kept is bounded by age and number."""
    device_of(elevator, holder, "read", id)
    kept = await api.store.call(
        journal.page, api.site, id, limit=limit, before=before, types=frozenset(types or ()), since=since
    )
    items = [models.JournalEntry.model_validate(each) for each in kept.entries]
    return models.DeviceJournalPage(items=items, next=cursor(kept.next))


@router.get(
    "/{id}/journal.jsonl",
    summary="Export the journal of a device, the oldest first",
    response_class=Response,
    responses={
        200: {
            "description": "An entry a line. A last line with `error` says that some are missing.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **described(HTTPStatus.NOT_FOUND),
    },
)
async def export(
    request: Request,
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
    types: Types = None,
    since: Since = None,
) -> Response:
    """The whole journal, as JSON lines, for programs."""
    device_of(elevator, holder, "read", id)
    exports = EXPORTING.of(request.app)
    exports.check(holder.name)
    chosen = frozenset(types or ())
    first = await _next(api, id, chosen, since, 0)  # where it fails there is a problem to answer, and no stream yet
    return _Export(_lines(api, id, chosen, since, first), exports, holder.name)


class _Export(StreamingResponse):
    """An export that is counted."""

    def __init__(self, lines: AsyncIterator[str], exports: ConcurrencyLimit, token: str) -> None:
        super().__init__(lines, media_type=MEDIA_TYPE)
        self._exports = exports
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        with self._exports.one(self._token):
            await super().__call__(scope, receive, send)


async def _next(
    api: Api, device: str, types: frozenset[EntryType], since: datetime | None, after: int
) -> journal.JournalPage:
    return await api.store.call(journal.page, api.site, device, limit=AT_A_TIME, after=after, types=types, since=since)


async def _lines(
    api: Api, device: str, types: frozenset[EntryType], since: datetime | None, first: journal.JournalPage
) -> AsyncIterator[str]:
    page = first
    while True:
        yield "".join(f"{models.JournalEntry.model_validate(each).model_dump_json()}\n" for each in page.entries)
        if page.next is None:
            return
        try:
            page = await _next(api, device, types, since, page.next)
        except StoreError:
            yield _BROKEN
            return
