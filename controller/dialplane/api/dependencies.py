"""What the paths of the API work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, Protocol

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dialplane.api.problems import Refusal
from dialplane.api.rates import GUESSES, USUAL, Rate
from dialplane.api.scopes import Area
from dialplane.api.tokens import Holder, Tokens
from dialplane.services.infinity.api.port import Infinity
from dialplane.services.sms.tables.outgoing import Enqueued, NewOutgoing, Outgoing
from dialplane.store import Store

PREFIX: Final = "/api/v1"
HEALTH: Final = f"{PREFIX}/health"
"""The only path for everybody."""


class Enqueue(Protocol):
    """Cuts a message into its parts and keeps it to be sent; blocks."""

    def __call__(self, store: Store, new: NewOutgoing, /, *, now: datetime) -> Enqueued:
        """See `store.outgoing.enqueue`. Raises LineRefused where no modem could send the text."""


def _nothing() -> None:
    """Nobody is to be woken."""


@dataclass(frozen=True, slots=True)
class Api:
    """One site, as the API serves it. The functions are called from the loop's thread and never wait."""

    store: Store
    site: str
    """The namespace."""
    tokens: Tokens
    enqueue: Enqueue
    dongles: Callable[[], Mapping[str, str | None]]
    """The Dongles that may send, by name, each with its group."""
    forward_to: Callable[[str], Sequence[str]]
    """The Notifiers (`sms.forwardTo`) of a Dongle, by its name; none for one that is no more."""
    waits: Callable[[Outgoing], str] = lambda _: ""
    """What a message to send that is queued waits for; empty of any other."""
    wake_sender: Callable[[], None] = _nothing
    """There may be a message to send."""
    wake_notifier: Callable[[], None] = _nothing
    """There may be something to tell."""
    infinity: Infinity | None = None
    """Outbound calls; None where this process places none."""
    trusted_proxies: Sequence[str] = ()
    """Addresses and networks whose `X-Forwarded-For` is believed."""
    rate: Rate = USUAL
    """Requests of one token."""
    failure_rate: Rate = GUESSES
    """Requests from one address that prove nothing."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def api_of(request: Request) -> Api:
    """The site of this application."""
    found: Api = request.app.state.api
    return found


_BEARER: Final = HTTPBearer(auto_error=False, description="A token, with the scopes that its file names.")


def authenticated(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Holder:
    """Who calls, as the door noted it."""
    holder: Holder = request.state.holder
    return holder


def _named(holder: Annotated[Holder, Depends(authenticated)]) -> str:
    return holder.name


def needs(area: Area) -> Callable[[Holder], None]:
    """For paths that not every token is for."""

    def check(holder: Annotated[Holder, Depends(authenticated)]) -> None:
        if not holder.scopes.covers(area):
            raise Refusal(HTTPStatus.FORBIDDEN, f"this token is not for {area}: its file has no scope {area}")

    return check


def _position(
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="`next` of the page before.")] = None,
) -> int | None:
    return None if cursor is None else int(cursor)


PLAIN: Final = r"^[^\x00]*$"
"""Of what is looked for in plain columns: PostgreSQL knows no NUL there."""

Caller = Annotated[str, Depends(_named)]
"""The name of the caller's token."""
Site = Annotated[Api, Depends(api_of)]
Before = Annotated[int | None, Depends(_position)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
