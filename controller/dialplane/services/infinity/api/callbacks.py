"""What the platform tells of calls, and what of it belongs to none."""

import hashlib
from http import HTTPStatus
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Request

from dialplane.api.admission import Admission, address_of
from dialplane.api.dependencies import Api, Before, Limit, Site
from dialplane.api.models import cursor
from dialplane.api.problems import Refusal, described
from dialplane.services.infinity import call_record, callback, metrics
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, OfTenant, Served, reach
from dialplane.services.infinity.call_record import Malformed, Told
from dialplane.services.infinity.callback import CallbackRefused, NothingProven
from dialplane.services.infinity.tables import call_records, unmatched_callbacks
from dialplane.services.infinity.tables.unmatched_callbacks import NewAside
from dialplane.services.infinity.tenant import Tenant

log = structlog.get_logger("dialplane.api")

platform = APIRouter()
"""For the platform, which has no token."""
router = APIRouter()

_EXAMPLE: Final[dict[str, Any]] = {
    "callmethod": "api",
    "starttime": "2026-04-03 08:30:00",
    "answertime": "2026-04-03 08:30:18",
    "endtime": "2026-04-03 08:32:20",
    "duration": 18,
    "billsec": 122,
    "crmid": "ada",
    "hangupdirection": "customer",
    "hangupcause": 16,
    "memberid": "call-0123456789abcdef0123",
    "disnumber": "+15550100",
    "destnumber": "+15550111",
    "recordurl": "https://recordings.example.com/4711.wav",
    "companycode": "1001",
    "type": "callout",
    "extnumber": "8001",
    "uuid": "5b1e0c0e-0000-4000-8000-000000000000",
    "customuuid": "case-4711",
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "The platform's call record; fields beyond those that mean something to us are kept.",
        "content": {"application/json": {"schema": call_record.schema(), "example": _EXAMPLE}},
    }
}


@platform.post(
    "/callback/call-record",
    summary="Tell of a call (the platform)",
    responses=described(),
    openapi_extra=_BODY,
)
async def told(
    request: Request,
    api: Site,
    infinity: Served,
    timestamp: Annotated[  # noqa: ARG001 -- for the description; what proves a request is looked up by `callback`
        str | None, Header(alias=callback.TIMESTAMP, description="Hmac: seconds since 1970, at most 300 s from now.")
    ] = None,
    signature: Annotated[  # noqa: ARG001 -- as above
        str | None,
        Header(
            alias=callback.SIGNATURE,
            description="Hmac: `sha256=` and the hexadecimal HMAC-SHA256 of timestamp, a dot and the body.",
        ),
    ] = None,
    secret: Annotated[  # noqa: ARG001 -- as above
        str | None, Header(alias=callback.SECRET, description="SharedSecret: the secret itself.")
    ] = None,
) -> models.CallbackTaken:
    """The platform's record of a call, or word that it was answered. It proves to know the tenant's callback secret.

    A record ends its call and frees the extension. One that comes twice, late or out of order changes nothing that is
    known already. What belongs to no call of the tenant is kept aside, answered 200 all the same, and frees nothing.
    """
    body = await request.body()
    address = address_of(request.scope)
    try:
        tenants = callback.proven(infinity.tenants().values(), request.headers, body, address, api.now())
        said = call_record.told(body)
        tenants = call_record.of_its_tenant(tenants, said)
    except CallbackRefused as refused:
        metrics.CALLBACKS.labels("refused").inc()
        if isinstance(refused, NothingProven):
            admission: Admission = request.app.state.admission
            admission.guessed(request.scope)  # first, so that who guesses on fills no log
        log.warning("callback refused", reason=str(refused), address=address)
        raise Refusal(refused.status, str(refused)) from None
    except Malformed as malformed:
        metrics.CALLBACKS.labels("malformed").inc()
        log.warning("callback is malformed", reason=str(malformed), fields=sorted(malformed.fields), address=address)
        errors = {f"body.{field}": message for field, message in malformed.fields.items()}
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(malformed), errors) from None
    call = await api.store.call(call_records.get, api.site, said.call)
    if call is None:
        return await _aside(api, tenants, said, body, call_record.UNKNOWN_CALL)
    if strange := call_record.strange(said, call, tenants):
        return await _aside(api, tenants, said, body, strange)
    if call_record.known(said, call):
        metrics.CALLBACKS.labels("known").inc()
        return models.CallbackTaken(result="known", detail="that was known already")
    changed = await infinity.desk.change(call_record.change(said, call, api.now()))
    metrics.CALLBACKS.labels("recorded").inc()
    log.info("callback", call=call.id, tenant=call.tenant, told=said.event, state=changed.state if changed else None)
    return models.CallbackTaken(result="recorded", detail=f"the call {call.id} has it")


async def _aside(api: Api, tenants: tuple[Tenant, ...], said: Told, body: bytes, why: str) -> models.CallbackTaken:
    """Keep it aside, under the first of the tenants that it may be of."""
    new = NewAside(tenants[0].name, hashlib.sha256(body).hexdigest(), api.now(), why, said.body)
    await api.store.call(unmatched_callbacks.add, api.site, new)
    metrics.CALLBACKS.labels("aside").inc()
    log.warning("callback kept aside", tenant=new.tenant, reason=why)
    return models.CallbackTaken(result="kept aside", detail=why)


@router.get("/callbacks/aside", summary="Callbacks that belong to no call, the newest first", responses=described())
async def aside(api: Site, holder: Held, before: Before, tenant: OfTenant, limit: Limit = 50) -> models.AsidePage:
    """A page of what the platform told of calls that nobody here placed; the newest 1,000 of each tenant are kept."""
    tenants = reach(holder, "read") if tenant is None else frozenset({tenant})
    page = await api.store.call(unmatched_callbacks.page, api.site, limit=limit, before=before, tenants=tenants)
    return models.AsidePage(items=[models.Aside.model_validate(found) for found in page.asides], next=cursor(page.next))
