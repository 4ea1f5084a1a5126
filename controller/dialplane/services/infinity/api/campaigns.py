"""Campaigns: how far they are, whom they call, and the lists that are uploaded."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request

from dialplane.api.dependencies import Before, Limit
from dialplane.api.models import cursor
from dialplane.api.problems import Refusal, described
from dialplane.api.tokens import Holder
from dialplane.resources.fields import ObjectName
from dialplane.services.infinity.api import models
from dialplane.services.infinity.api.access import Held, OfTenant, Served, may, permit
from dialplane.services.infinity.campaign.bad_list import BadListError
from dialplane.services.infinity.campaign.campaigns import NoSuchCampaignError, NotUploadedError
from dialplane.services.infinity.campaign.progress import Progress
from dialplane.services.infinity.service import InfinityService
from dialplane.services.infinity.tables.destinations import Destination, DestinationState
from dialplane.services.infinity.tables.trunk_calls import NO_TENANT, BotAnswer

router = APIRouter(prefix="/campaigns")

Name = Annotated[ObjectName, Path(description="Of a Campaign.")]

_CSV: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "CSV as a spreadsheet writes it, 10 MB at most; its first line names the columns: `number`, "
        "perhaps `caseId`.",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "number,caseId\n+15550111,case-1\n+15550112,case-2\n",
            }
        },
    }
}


@router.get("", summary="Campaigns by name", responses=described())
async def listed(infinity: Served, holder: Held, tenant: OfTenant) -> models.CampaignList:
    """How far the campaigns of the tenants are that the token may read."""
    return models.CampaignList(
        items=[
            models.campaign(found)
            for found in await infinity.campaigns.all_progress()
            if may(holder, "read", found.tenant or NO_TENANT) and tenant in {None, found.tenant}
        ]
    )


@router.get("/{name}", summary="One campaign", responses=described(HTTPStatus.NOT_FOUND))
async def one(infinity: Served, holder: Held, name: Name) -> models.CampaignProgress:
    """How far a campaign is."""
    return models.campaign(await _known(infinity, holder, name))


@router.get("/{name}/destinations", summary="Whom a campaign calls", responses=described(HTTPStatus.NOT_FOUND))
async def destinations(
    infinity: Served,
    holder: Held,
    name: Name,
    after: Before,
    limit: Limit = 50,
    state: Annotated[DestinationState | None, Query(description="Only those that are so far.")] = None,
) -> models.DestinationPage:
    """A page of a campaign's destinations, in the order of its list."""
    await _known(infinity, holder, name)
    page = await infinity.campaigns.destinations(name, limit=limit, after=after, state=state)
    if page is None:
        raise _unknown(name)
    answers = await infinity.campaigns.bot_answers(name, [found.number for found in page.destinations])
    items = [_shown(found, answers.get(found.number)) for found in page.destinations]
    return models.DestinationPage(items=items, next=cursor(page.next))


@router.put(
    "/{name}/destinations",
    summary="Replace a campaign's list",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    openapi_extra=_CSV,
)
async def upload(request: Request, infinity: Served, holder: Held, name: Name) -> models.Uploaded:
    """All of it or nothing. Who stays on the list keeps the attempts so far; who is gone from it is no longer called.

    409 where the manifest does not say `destinations.upload: true`.
    """
    found = await _known(infinity, holder, name)
    permit(holder, "manage", found.tenant or NO_TENANT)
    try:
        return models.Uploaded.model_validate(await infinity.campaigns.upload(name, await request.body()))
    except NoSuchCampaignError:
        raise _unknown(name) from None
    except NotUploadedError:
        raise Refusal(
            HTTPStatus.CONFLICT, f"the list of {name} is in its manifest, which does not say destinations.upload: true"
        ) from None
    except BadListError as error:
        errors: dict[str, str] = {}
        for line in error.lines:
            errors.setdefault(_where(line.line, line.column), line.message)
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the list cannot be read", errors) from None


def _shown(found: Destination, answer: BotAnswer | None) -> models.Destination:
    shown = models.Destination.model_validate(found)
    if answer is not None:
        shown.bot_call, shown.bot_outcome, shown.collected = answer.call, answer.outcome, answer.variables
    return shown


async def _known(infinity: InfinityService, holder: Holder, name: str) -> Progress:
    """A campaign that the caller may know of; raises a Refusal (404)."""
    found = await infinity.campaigns.progress(name)
    if found is None or not may(holder, "read", found.tenant or NO_TENANT):
        raise _unknown(name)
    return found


def _unknown(name: str) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, f"there is no Campaign {name}")


def _where(line: int, column: str) -> str:
    return ".".join(part for part in ("body", f"line {line}" if line else "", column) if part)
