"""Callers: what is left of their calls is erased when they ask for it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request

from dialplane.api.problems import Refusal, described
from dialplane.resources.fields import CallerNumber
from dialplane.services.voicebot.api import models
from dialplane.services.voicebot.api.access import ByToken, Served, permit_all
from dialplane.services.voicebot.api.limits import ERASING
from dialplane.storage.errors import StorageError

router = APIRouter()


@router.delete("/callers/{number}", summary="Erase what is left of somebody's calls", responses=described())
async def erase(
    request: Request,
    bots: Served,
    holder: ByToken,
    number: Annotated[CallerNumber, Path(description="Of whom, as anybody writes it.", examples=["+15550111"])],
) -> models.ErasedCaller:
    """Erase calls with bots, transcripts and recordings: of who called from this number, and was called there.

    It takes the scope `bots:manage:*`. Asked again, it erases what is left. Calls that go on can be erased when they
    are over, recorded ones two minutes later. Where `numbering.countryCode` of the Asterisk is set, all spellings of
    the number are meant.
    """
    permit_all(holder, "manage")
    erasing = ERASING.of(request.app)
    erasing.check(holder.name)
    with erasing.one(holder.name):
        try:
            erased = await bots.keeper.erase(number)
        except StorageError:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the storage of recordings does not answer: something is left, try again",
                Retry_After="5",
            ) from None
    return models.ErasedCaller.model_validate(erased)
