"""Who may do what with the calls of a bot. A call that the token may not see is not there for it (404)."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import Depends, Path

from dialplane.api.dependencies import Api, authenticated, serving
from dialplane.api.problems import Refusal
from dialplane.api.tokens import Holder
from dialplane.services.voicebot import AREA, SERVICE
from dialplane.services.voicebot.records import BotService
from dialplane.services.voicebot.tables import calls
from dialplane.services.voicebot.tables.calls import BotCall

Right = Literal["read", "manage"]

CALL_ID: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

CallId = Annotated[str, Path(pattern=CALL_ID, description="Of a call.", examples=["dpbot-1764507842.17-1-1"])]
ByToken = Annotated[Holder, Depends(authenticated)]
Served = Annotated[BotService, Depends(serving(SERVICE.name))]


def reach(holder: Holder, right: Right) -> frozenset[str] | None:
    """Return the bots with which the token may do this; None: with all."""
    return holder.scopes.reach(AREA, right)


def permit_all(holder: Holder, right: Right) -> None:
    """Raise a Refusal (403) unless the token may do this with every bot."""
    if reach(holder, right) is not None:
        raise Refusal(HTTPStatus.FORBIDDEN, f"this takes a token with the scope {AREA}:{right}:*")


async def call_of(api: Api, holder: Holder, call: str) -> BotCall:
    """Return a call that the token may see; raises a Refusal (404)."""
    found = await api.store.call(calls.get, api.site, call)
    if found is None or not holder.scopes.allows(AREA, "read", found.bot):
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no call {call} of a bot")
    return found
