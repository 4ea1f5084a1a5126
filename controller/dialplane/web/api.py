"""What the paths of the API work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Protocol

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import Scope

from dialplane.store import Store
from dialplane.store.outgoing import Enqueued, NewOutgoing
from dialplane.web.infinity.port import Infinity
from dialplane.web.problems import Refusal
from dialplane.web.tokens import Tokens

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
    wake_sender: Callable[[], None] = _nothing
    """There may be a message to send."""
    wake_notifier: Callable[[], None] = _nothing
    """There may be something to tell."""
    infinity: Infinity | None = None
    """Outbound calls; None where this process places none."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def api_of(request: Request) -> Api:
    """The site of this application."""
    found: Api = request.app.state.api
    return found


def admit(api: Api, scope: Scope) -> None:
    """Note whose token a request shows; of the rest of it nothing has been read.

    Raises:
        Refusal: 401.
    """
    if scope["path"] == HEALTH:
        return
    scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
    name = api.tokens.name_of(token if scheme.lower() == "bearer" else "")
    if name is None:
        raise Refusal(401, "say who you are: Authorization: Bearer TOKEN", WWW_Authenticate="Bearer")
    scope.setdefault("state", {})["caller"] = name


_BEARER: Final = HTTPBearer(auto_error=False, description="A token: see `docs/sms.md`.")


def authenticated(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> str:
    """The name of the caller's token, as `admit` noted it."""
    name: str = request.state.caller
    return name


def _position(
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="`next` of the page before.")] = None,
) -> int | None:
    return None if cursor is None else int(cursor)


PLAIN: Final = r"^[^\x00]*$"
"""Of what is looked for in plain columns: PostgreSQL knows no NUL there."""

Caller = Annotated[str, Depends(authenticated)]
Site = Annotated[Api, Depends(api_of)]
Before = Annotated[int | None, Depends(_position)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
