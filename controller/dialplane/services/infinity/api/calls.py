"""Calls: placed, looked up, listed."""

import asyncio
import secrets
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.types import Receive

from dialplane.api.dependencies import PREFIX, Limit, Site
from dialplane.api.problems import Refusal, described
from dialplane.api.query import Since, Until
from dialplane.resources.campaign import AgentId, CaseId
from dialplane.resources.fields import CallerNumber, ObjectName
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, OfTenant, Served, call_of, may, permit, reach, tenant_of
from dialplane.services.infinity.api.limits import CALL_SECONDS, PLACING
from dialplane.services.infinity.api.problem import CallProblem
from dialplane.services.infinity.dialer import Asked, Placed
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables import call_records
from dialplane.services.infinity.tables.call_records import Filter
from dialplane.services.infinity.tables.calls import Call, CallState, Outcome
from dialplane.services.infinity.tables.leases import Denied
from dialplane.services.infinity.tenant import Tenant

router = APIRouter()

_ID: Final = "^call-[0-9a-f]{20}$"
CallId = Annotated[str, Path(pattern=_ID, description="Of a call, `call-…`.")]

SOON: Final = "1"
"""Seconds after which an extension may be free again."""


@router.post(
    "/make-call",
    status_code=HTTPStatus.ACCEPTED,
    summary="Place a call",
    responses={
        200: {"model": models.Call, "description": "This `Idempotency-Key` was used for the same call before."},
        **described(HTTPStatus.NOT_FOUND),
        **described(
            HTTPStatus.CONFLICT,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.BAD_GATEWAY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.GATEWAY_TIMEOUT,
            model=CallProblem,
        ),
    },
)
async def make_call(
    request: Request,
    api: Site,
    infinity: Served,
    holder: Held,
    response: Response,
    asked: models.MakeCall,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]{1,160}$",
            description="Your own name for this call. Sent again with the same one, nobody is rung twice.",
        ),
    ] = None,
) -> models.Call:
    """Lease an extension and have the platform ring the agent and then the customer; 202 means that it took the call.

    `GET` the `Location` to see what becomes of it, or follow its `events`. Where there is no call, `customer_rung`
    says whether the customer may have been rung all the same: after `no` it can be asked for again, after `maybe`
    (504) that may ring a second time. 409 with `code` `do-not-call`: the number is on a do-not-call list, of the tenant
    or of the site. 429: no extension is free. 502: the platform refused. 503: it could not be asked.
    """
    permit(holder, "call", asked.tenant)
    tenant = tenant_of(infinity, asked.tenant)
    wanted = Asked(
        agent=asked.agent_id,
        callback_number=asked.callback_number,
        destination=asked.customer_number,
        case_id=asked.case_id,
        custom=dict(asked.custom_params),
        caller_number=asked.caller_number,
        token=holder.name,
        request_key=key or secrets.token_hex(16),
    )
    earlier = await api.store.call(call_records.of_request, api.site, holder.name, key) if key else None
    if earlier is None:
        _check(tenant, asked)
        placing = PLACING.of(request.app)
        placing.check(holder.name)
        with placing.one(holder.name):
            placed = await _place(request.receive, infinity, tenant, wanted, asked.wait_seconds)
        if placed.call is None or placed.fresh:
            return _answer(placed, response)
        earlier = placed.call
    if not _same(earlier, asked):
        raise Refusal(HTTPStatus.CONFLICT, "this Idempotency-Key was used for another call")
    response.status_code = HTTPStatus.OK
    return _located(earlier, response)


def _check(tenant: Tenant, asked: models.MakeCall) -> None:
    if not tenant.serves:
        raise Refusal(HTTPStatus.CONFLICT, f"the tenant {tenant.name} takes no calls: it is disabled or has faults")
    known = {*tenant.spec.caller_numbers, tenant.spec.default_caller_number}
    if asked.caller_number is not None and asked.caller_number not in known:
        errors = {"body.caller_number": "is not among the tenant's callerNumbers"}
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", errors)


async def _place(
    receive: Receive, infinity: InfinityService, tenant: Tenant, wanted: Asked, wait_seconds: float
) -> Placed:
    """Place a call for as long as its caller is there: for one who is gone nobody is to be rung."""
    placing = asyncio.ensure_future(infinity.dialer.make_call(tenant, wanted, wait_seconds=wait_seconds))
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({placing, leaving}, timeout=CALL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not placing.done():
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "you went before the platform was asked, or it took too long")
        return placing.result()
    finally:
        placing.cancel()
        leaving.cancel()
        await asyncio.wait({placing, leaving})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _answer(placed: Placed, response: Response) -> models.Call:
    if placed.denied is not None:
        raise _denied(placed.denied)
    answer, call = placed.answer, placed.call
    if answer is None or (answer.kind == "accepted" and call is None):
        raise AssertionError("neither a call, nor why there is none")
    members = {"call_id": call.id if call else None, "customer_rung": "maybe" if answer.kind == "lost" else "no"}
    match answer.kind:
        case "accepted" if call is not None:
            return _located(call, response)
        case "refused":
            raise Refusal(HTTPStatus.BAD_GATEWAY, answer.detail, members=members)
        case "not_sent":
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, answer.detail, members=members, Retry_After=SOON)
        case _:
            raise Refusal(HTTPStatus.GATEWAY_TIMEOUT, answer.detail, members=members)


def _denied(denied: Denied) -> Refusal:
    match denied.reason:
        case "NoTenant" | "Disabled":
            return Refusal(HTTPStatus.CONFLICT, "the tenant takes no calls now")
        case "DoNotCall":
            text = "the number is on a do-not-call list: `dialplane do-not-call list`, or spec.doNotCall of the tenant"
            return Refusal(HTTPStatus.CONFLICT, text, members={"code": "do-not-call", "customer_rung": "no"})
        case "NumberUnknown":
            text = (
                "whether the number is on a do-not-call list cannot be known: write it with + and the country code, or "
                "set numbering.countryCode in the Asterisk or the InfinityTenant"
            )
            return Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "the request is not valid",
                {"body.customer_number": text},
                members={"code": "number-unknown", "customer_rung": "no"},
            )
        case "Exhausted":
            text = f"no extension is free: {denied.in_use} of {denied.total} are in a call"
        case _:
            text = f"the tenant has as many calls as it may: {denied.maximum}"
    members = {"in_use": denied.in_use, "maximum": denied.maximum, "available": denied.available}
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, members={**members, "customer_rung": "no"}, Retry_After=SOON)


def _located(call: Call, response: Response) -> models.Call:
    response.headers["Location"] = f"{PREFIX}/infinity/calls/{call.id}"
    return models.call(call)


def _same(call: Call, asked: models.MakeCall) -> bool:
    """Whether it is what was asked for; which number the customer sees may have been chosen."""
    was = (call.tenant, call.agent, call.callback_number, call.destination, call.case_id, call.custom)
    now = (asked.tenant, asked.agent_id, asked.callback_number, asked.customer_number, asked.case_id)
    return was == (*now, dict(asked.custom_params)) and asked.caller_number in {None, call.caller_number}


@router.get("/call-records", summary="Calls, the newest first", responses=described())
async def records(
    api: Site,
    holder: Held,
    tenant: OfTenant,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=_ID, description="`next` of the page before.")] = None,
    agent: Annotated[AgentId | None, Query(description="Only those of this agent.")] = None,
    case: Annotated[CaseId | None, Query(description="Only those about this case.")] = None,
    state: Annotated[CallState | None, Query(description="Only those in this state.")] = None,
    outcome: Annotated[Outcome | None, Query(description="Only those that ended so.")] = None,
    destination: Annotated[CallerNumber | None, Query(description="Only those to this number.")] = None,
    campaign: Annotated[ObjectName | None, Query(description="Only those of this Campaign.")] = None,
    since: Since = None,
    until: Until = None,
) -> models.CallPage:
    """A page of the calls of the tenants that the token may read, those that go on among them."""
    only = Filter(
        tenants=reach(holder, "read"),
        tenant=tenant,
        agent=agent,
        case_id=case,
        state=state,
        outcome=outcome,
        destination=destination,
        campaign=campaign,
        since=since,
        until=until,
    )
    # An id and no running number: that would tell each tenant how many calls the others have.
    last = None if cursor is None else await api.store.call(call_records.get, api.site, cursor)
    if cursor is not None and (last is None or not may(holder, "read", last.tenant)):
        return models.CallPage(items=[], next=None)  # forgotten meanwhile, and so is what was before it
    before = last.seq if last else None
    page = await api.store.call(call_records.page, api.site, only, limit=limit, before=before)
    more = page.calls[-1].id if page.next is not None else None
    return models.CallPage(items=[models.call(found) for found in page.calls], next=more)


@router.get("/calls/{id}", summary="One call", responses=described(HTTPStatus.NOT_FOUND))
async def one(api: Site, holder: Held, id: CallId) -> models.Call:  # noqa: A002 -- the path's name for it
    """A call as it is now, or was at its end."""
    return models.call(await call_of(api, holder, id))
