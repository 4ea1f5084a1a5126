"""Whom nobody calls: numbers added and removed while running, and every change with its author and reason.

What is of the whole site is for tokens of every tenant (`infinity:read:*`, `infinity:manage:*`).
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response

from dialplane.api.dependencies import Before, Limit, Site
from dialplane.api.models import cursor
from dialplane.api.problems import Refusal, described
from dialplane.api.tokens import Holder
from dialplane.resources.fields import ObjectName
from dialplane.resources.numbering import normalise
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, OfTenant, Served, permit, reach
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables import do_not_call
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE, By

router = APIRouter(prefix="/do-not-call")

_LONGEST: Final = 40
Number = Annotated[
    str, Path(min_length=2, max_length=_LONGEST, description="In whatever way it is written; `+` as `%2B`.")
]
OfNumber = Annotated[
    str | None, Query(min_length=2, max_length=_LONGEST, description="Only this number; `+` as `%2B`.")
]


@router.get("", summary="Numbers that are not called, the newest first", responses=described())
async def listed(
    api: Site,
    infinity: Served,
    holder: Held,
    tenant: OfTenant,
    before: Before,
    limit: Limit = 50,
    number: OfNumber = None,
) -> models.DoNotCallPage:
    """A page of what was added here, of the tenants that the token may read; lists in manifests are not among them."""
    found = await api.store.call(
        do_not_call.entries,
        api.site,
        limit=limit + 1,
        before=before,
        tenants=_reach(holder, tenant),
        number=None if number is None else _known(infinity, tenant, number, "query.number"),
    )
    items = [models.barred(each) for each in found[:limit]]
    return models.DoNotCallPage(items=items, next=cursor(found[limit - 1].seq if len(found) > limit else None))


@router.get("/changes", summary="Changes of that list, the newest first", responses=described())
async def changes(
    api: Site,
    infinity: Served,
    holder: Held,
    tenant: OfTenant,
    before: Before,
    limit: Limit = 50,
    number: OfNumber = None,
) -> models.DoNotCallChangePage:
    """A page of who added or removed what, when and why."""
    found = await api.store.call(
        do_not_call.changes,
        api.site,
        limit=limit + 1,
        before=before,
        tenants=_reach(holder, tenant),
        number=None if number is None else _known(infinity, tenant, number, "query.number"),
    )
    items = [models.barred_change(each) for each in found[:limit]]
    return models.DoNotCallChangePage(items=items, next=cursor(found[limit - 1].seq if len(found) > limit else None))


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Have a number not called any more",
    responses={
        200: {"model": models.DoNotCall, "description": "It was there already, and is as it was."},
        **described(),
    },
)
async def add(
    api: Site, infinity: Served, holder: Held, response: Response, wanted: models.NewDoNotCall
) -> models.DoNotCall:
    """From the answer on no call to it begins, whoever asks for one: campaigns that are under way, too.

    One that was begun before goes on.
    """
    _may_change(holder, wanted.tenant)
    number = _known(infinity, wanted.tenant, wanted.number, "body.number")
    by = By(holder.name, datetime.now(UTC), wanted.reason)
    entry, fresh = await api.store.call(do_not_call.add, api.site, wanted.tenant or WHOLE_SITE, number, by)
    if not fresh:
        response.status_code = HTTPStatus.OK
    return models.barred(entry)


@router.delete("/{number}", summary="Have a number called again", responses=described(HTTPStatus.NOT_FOUND))
async def remove(
    api: Site,
    infinity: Served,
    holder: Held,
    number: Number,
    reason: Annotated[models.Reason, Query(description="Why, in a sentence.")],
    tenant: Annotated[ObjectName | None, Query(description="Of this InfinityTenant; else of the whole site.")] = None,
) -> models.DoNotCall:
    """Take one off the list. Who is on a list of a manifest as well is still not called."""
    _may_change(holder, tenant)
    wanted = _known(infinity, tenant, number, "path.number")
    by = By(holder.name, datetime.now(UTC), reason)
    found = await api.store.call(do_not_call.remove, api.site, tenant or WHOLE_SITE, wanted, by)
    if found is None:
        whose = f"of the tenant {tenant}" if tenant else "of the whole site"
        raise Refusal(HTTPStatus.NOT_FOUND, f"the number is not on the list {whose}")
    return models.barred(found)


def _may_change(holder: Holder, tenant: str | None) -> None:
    """Raise a Refusal (403) unless the token may change the list of the tenant, or of the whole site."""
    if tenant is not None:
        permit(holder, "manage", tenant)
    elif reach(holder, "manage") is not None:
        text = "this token may not change the list of the whole site: name a tenant, or use one with infinity:manage:*"
        raise Refusal(HTTPStatus.FORBIDDEN, text)


def _known(infinity: InfinityService, tenant: str | None, number: str, field: str) -> str:
    """The number as it is kept; raises a Refusal (422)."""
    found = normalise(number, infinity.numbering(tenant))
    if found is None:
        text = (
            "whose number it is cannot be known: write it with + and the country code, or set numbering.countryCode in "
            "the Asterisk or the InfinityTenant"
        )
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", {field: text})
    return found


def _reach(holder: Holder, tenant: str | None) -> frozenset[str] | None:
    """The tenants whose entries are shown, `WHOLE_SITE` among them where the token is one for every tenant."""
    readable = reach(holder, "read")
    if tenant is None:
        return readable
    return frozenset({tenant, WHOLE_SITE}) if readable is None else frozenset({tenant})
