"""Extensions of the pools: who holds them, taken out of service, released by hand."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.convertors import Convertor, register_url_convertor

from dialplane.api.dependencies import Limit, Site
from dialplane.api.problems import Refusal, described
from dialplane.resources.campaign import AgentId
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, OfTenant, Served, extension_of, may, reach
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables import call_records, pools
from dialplane.services.infinity.tables.leases import Change


class _Number(Convertor[str]):
    """An extension's number in a path: `statistics` is none, whatever the method."""

    regex = "[0-9]{2,10}"

    def convert(self, value: str) -> str:
        """From the path."""
        return value

    def to_string(self, value: str) -> str:
        """Into a path."""
        return value


register_url_convertor("extension", _Number())

router = APIRouter(prefix="/extensions")

Number = Annotated[str, Path(pattern="^[0-9]{2,10}$", description="Of an extension.")]


@router.get("", summary="Extensions by number", responses=described())
async def listed(
    api: Site,
    holder: Held,
    tenant: OfTenant,
    limit: Limit = 50,
    state: Annotated[pools.ExtensionState | None, Query(description="Only those that do this now.")] = None,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{2,10}$", description="`next` of the page before.")] = None,
) -> models.ExtensionPage:
    """A page of the pools' extensions, and who holds them since when."""
    found = await api.store.call(
        pools.extensions,
        api.site,
        tenant=tenant,
        tenants=reach(holder, "read"),
        state=state,
        limit=limit + 1,
        after=cursor,
    )
    kept = found[:limit]
    return models.ExtensionPage(
        items=[models.Extension.model_validate(each) for each in kept],
        next=kept[-1].number if len(found) > limit else None,
    )


@router.get("/statistics", summary="Pools by what their extensions do", responses=described())
async def statistics(api: Site, infinity: Served, holder: Held, tenant: OfTenant) -> models.StatisticsList:
    """How many extensions of each tenant are free, in a call, out of service, or going."""
    standings = await api.store.call(pools.standings, api.site)
    known = infinity.tenants()
    return models.StatisticsList(
        items=[
            models.statistics(name, standing, known[name].spec.max_concurrent_calls if name in known else None)
            for name, standing in sorted(standings.items())
            if may(holder, "read", name) and tenant in {None, name}
        ]
    )


@router.put(
    "/{number:extension}", summary="Take one out of service or put it back", responses=described(HTTPStatus.NOT_FOUND)
)
async def put(api: Site, holder: Held, number: Number, wanted: models.ExtensionState) -> models.Extension:
    """A call that holds it goes on; `state` says `in_use` until it is over."""
    await extension_of(api, holder, number, "manage")
    found = await api.store.call(pools.set_offline, api.site, number, wanted.state == "offline")
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no extension {number}")
    return models.Extension.model_validate(found)


@router.post(
    "/force-release/{agent}",
    summary="Release whatever an agent holds",
    responses=described(),
)
async def force_release(
    api: Site,
    infinity: Served,
    holder: Held,
    tenant: OfTenant,
    agent: Annotated[AgentId, Path(description="An agent's id.")],
) -> models.Released:
    """End every call of an agent on our side, so that their extensions are free; the platform is not told.

    Only calls of tenants that the token may manage. Those that were released are given back.
    """
    manages = reach(holder, "manage")
    tenants = manages if tenant is None else frozenset({tenant}) if manages is None else manages & {tenant}
    if tenants is not None and not tenants:
        raise Refusal(HTTPStatus.FORBIDDEN, "this token manages no such tenant")
    held = await api.store.call(call_records.live_of_agent, api.site, agent, tenants)
    released = [await _release(infinity, call.id, holder.name) for call in held]
    return models.Released(items=[call for call in released if call is not None])


@router.post("/{number:extension}/release", summary="Release one", responses=described(HTTPStatus.NOT_FOUND))
async def release(api: Site, infinity: Served, holder: Held, number: Number) -> models.Extension:
    """End the call that holds it on our side, so that it is free; the platform is not told. A free one stays free.

    Whatever the platform tells of that call later goes into its record, and frees nothing more.
    """
    found = await extension_of(api, holder, number, "manage")
    if found.call is not None:
        await _release(infinity, found.call, holder.name)
        found = await extension_of(api, holder, number, "manage")
    return models.Extension.model_validate(found)


async def _release(infinity: InfinityService, call: str, token: str) -> models.Call | None:
    """By the call's id: an extension that has another call by now keeps that."""
    changed = await infinity.desk.change(
        Change(call, "released", outcome="Released", reason=f"released by hand, with the token {token}")
    )
    return models.call(changed) if changed else None
