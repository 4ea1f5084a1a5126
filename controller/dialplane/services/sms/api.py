"""`/sms`: messages received and to send."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response

from dialplane.api.dependencies import PLAIN, PREFIX, Api, Before, Caller, Limit, Site, serving
from dialplane.api.models import cursor
from dialplane.api.mount import Mount
from dialplane.api.problems import Refusal, described
from dialplane.api.query import Since
from dialplane.asterisk.errors import LineRefused
from dialplane.resources.sms_message import Phase, SmsMessageSpec
from dialplane.services.sms import api_models as models
from dialplane.services.sms.inbox import told
from dialplane.services.sms.outbox import enqueue
from dialplane.services.sms.service import SmsService
from dialplane.services.sms.tables import inbox, outgoing, outgoing_parts
from dialplane.services.sms.tables.inbox import Filter
from dialplane.services.sms.tables.outgoing import NewOutgoing, Outgoing
from dialplane.store import events

RESENDABLE: Final = ("Failed", "Expired")
_NOT_AGAIN: Final = {
    "Sent": "it is Sent: it may have arrived",
    "Unknown": "its outcome is unknown: it may have arrived",
}

router = APIRouter(prefix="/sms", tags=["sms"])

Sms = Annotated[SmsService, Depends(serving("sms"))]

Id = Annotated[str, Path(pattern="^(in|out)-[0-9a-f]{32}$", description="Of a message, `in-…` or `out-…`.")]
Dongle = Annotated[str | None, Query(max_length=63, pattern=PLAIN, description="Only those of this Dongle.")]
_EXAMPLE: Final = {"dongle": "gsm1", "to": "+15550100", "text": "The lift in house 3 stands still."}


@router.get("", summary="Messages received, the newest first", responses=described())
async def received(
    api: Site,
    before: Before,
    limit: Limit = 50,
    dongle: Dongle = None,
    sender: Annotated[str | None, Query(max_length=64, description="Only those from this number or name.")] = None,
    since: Since = None,
) -> models.ReceivedPage:
    """A page of the inbox. Messages that arrive meanwhile change nothing about the pages after it."""
    page = await api.store.call(inbox.page, api.site, Filter(dongle, sender, since), limit=limit, before=before)
    return models.ReceivedPage(items=[models.received(found) for found in page.messages], next=cursor(page.next))


@router.get("/outgoing", summary="Messages to send, the newest first", responses=described())
async def to_send(
    api: Site,
    sms: Sms,
    before: Before,
    limit: Limit = 50,
    dongle: Dongle = None,
    to: Annotated[str | None, Query(max_length=32, pattern=PLAIN, description="Only those to this number.")] = None,
    phase: Annotated[Phase | None, Query(description="Only those in this phase.")] = None,
    since: Since = None,
) -> models.SentPage:
    """A page of the messages that were given to us to send, by SmsMessages and by this API."""
    page = await api.store.call(
        outgoing.page, api.site, limit=limit, before=before, dongle=dongle, recipient=to, phase=phase, since=since
    )
    return models.SentPage(
        items=[models.sent(found, sms.waits(found)) for found in page.messages], next=cursor(page.next)
    )


@router.get("/{id}", summary="One message", responses=described(HTTPStatus.NOT_FOUND))
async def one(api: Site, sms: Sms, id: Id) -> models.Received | models.Sent:  # noqa: A002 -- the path's name for it
    """A message received, or one to send with its parts."""
    if id.startswith(inbox.PREFIX):
        return models.received(await _received(api, id))
    return await _with_parts(api, sms, await _outgoing(api, id))


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    summary="Send a message",
    responses={
        200: {"model": models.Sent, "description": "This `Idempotency-Key` was used for the same message before."},
        **described(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    },
)
async def send(
    api: Site,
    sms: Sms,
    caller: Caller,
    response: Response,
    asked: Annotated[SmsMessageSpec, Body(examples=[_EXAMPLE])],
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]{1,160}$",
            description="Your own name for this message. Sent again with the same one, it is not sent twice.",
        ),
    ] = None,
) -> models.Sent:
    """Queue a message; `GET` the `Location` to see what becomes of it.

    The body is the `spec` of a SmsMessage, without `ttlSecondsAfterFinished`. Without an `Idempotency-Key`, a request
    that is repeated sends twice.
    """
    _check(sms, asked)
    new = NewOutgoing(
        site=api.site,
        source="api",
        source_uid=f"{caller}/{key or secrets.token_hex(16)}",
        recipient=asked.to,
        text=asked.text,
        dongle=asked.dongle,
        group=asked.dongle_group,
        validity=timedelta(minutes=asked.validity_minutes),
        delivery_report=asked.delivery_report,
    )
    return await _enqueue(api, sms, new, response)


@router.post(
    "/{id}/resend",
    status_code=HTTPStatus.ACCEPTED,
    summary="Send a message again",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def resend(api: Site, sms: Sms, id: Id, response: Response) -> models.Received | models.Sent:  # noqa: A002 -- as above
    """A message received goes to the Notifiers again; one that failed or expired goes out again, as a new message.

    Resending one that may have been sent would send it twice: 409 says so. Repeated, it sends no third.
    """
    if id.startswith(inbox.PREFIX):
        message = await _received(api, id)
        again = told(message, sms.forward_to(message.dongle), resent=True)
        await api.store.call(events.record, [again])
        api.wake_outbox()
        return models.received(message)
    failed = await _outgoing(api, id)
    if failed.phase not in RESENDABLE:
        why = _NOT_AGAIN.get(failed.phase, f"it is {failed.phase}")
        raise Refusal(HTTPStatus.CONFLICT, f"{id} is not sent again: {why}")
    new = NewOutgoing(
        site=failed.site,
        source="api",
        source_uid=f"resend/{id}",
        recipient=failed.recipient,
        text=failed.text,
        dongle=failed.dongle_asked,
        group=failed.group_asked,
        validity=timedelta(minutes=failed.validity_minutes),
        delivery_report=failed.delivery_report,
    )
    return await _enqueue(api, sms, new, response)


async def _enqueue(api: Api, sms: SmsService, new: NewOutgoing, response: Response) -> models.Sent:
    try:
        made = await api.store.call(enqueue, new, now=api.now())
    except LineRefused as error:
        raise _invalid("text", str(error)) from None
    kept = made.message
    if not made.fresh:
        if _asked_of(kept) != _asked_of(new):
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "this Idempotency-Key was used for another message")
        response.status_code = HTTPStatus.OK
    sms.wake()
    response.headers["Location"] = f"{PREFIX}/sms/{kept.id}"
    return await _with_parts(api, sms, kept)


def _asked_of(message: NewOutgoing | Outgoing) -> tuple[Any, ...]:
    """What makes two messages the same."""
    if isinstance(message, Outgoing):
        where = (message.dongle_asked, message.group_asked, timedelta(minutes=message.validity_minutes))
    else:
        where = (message.dongle, message.group, message.validity)
    return (message.recipient, message.text, message.delivery_report, *where)


def _check(sms: SmsService, asked: SmsMessageSpec) -> None:
    if "ttl_seconds_after_finished" in asked.model_fields_set:
        raise _invalid("ttlSecondsAfterFinished", "is of a SmsMessage only: leave it out")
    dongles = sms.dongles
    if asked.dongle is not None and asked.dongle not in dongles:
        raise _invalid("dongle", f"there is no Dongle {asked.dongle} in service: {_listed(dongles)}")
    groups = {spec.group for spec in dongles.values() if spec.group}
    if asked.dongle_group is not None and asked.dongle_group not in groups:
        raise _invalid("dongleGroup", f"no Dongle is of the group {asked.dongle_group}: {_listed(groups)}")


def _listed(names: Any) -> str:
    return f"known are {', '.join(sorted(names))}" if names else "there is none"


def _invalid(field: str, message: str) -> Refusal:
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", {f"body.{field}": message})


async def _received(api: Api, message_id: str) -> inbox.Received:
    found = await api.store.call(inbox.get, api.site, message_id)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no message {message_id}")
    return found


async def _outgoing(api: Api, message_id: str) -> Outgoing:
    found = await api.store.call(outgoing.get, api.site, message_id)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no message {message_id}")
    return found


async def _with_parts(api: Api, sms: SmsService, message: Outgoing) -> models.Sent:
    return models.sent(message, sms.waits(message), await api.store.call(outgoing_parts.parts_of, message.id))


def mounts() -> Sequence[Mount]:
    """Return every path of `/sms`."""
    return (Mount(router, area="sms", bodies={"/sms": SmsMessageSpec}),)
