"""What the paths of the API work with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dialplane.api.mount import Mount
from dialplane.api.problems import Refusal
from dialplane.api.rate_limit import GUESSES, USUAL, Rate
from dialplane.api.tokens import Holder, Tokens
from dialplane.store import Store

PREFIX: Final = "/api/v1"
HEALTH: Final = f"{PREFIX}/health"
"""The only path for everybody."""


def _nothing() -> None:
    """Nobody is to be woken."""


@dataclass(frozen=True, slots=True)
class Api:
    """One site, as the API serves it."""

    store: Store
    site: str
    """The namespace."""
    tokens: Tokens
    mounts: Sequence[Mount] = ()
    """The paths of the services."""
    services: Mapping[str, Any] = field(default_factory=dict)
    """The running services, by their names; what paths call of them is called from the loop's thread and never waits,
    coroutines apart."""
    wake_outbox: Callable[[], None] = _nothing
    """There may be an event to tell of."""
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


def serving(name: str) -> Callable[[Request], Any]:
    """For paths that need a service; those of a process that does not run it answer 503."""

    def service(request: Request) -> Any:
        found = api_of(request).services.get(name)
        if found is None:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"the service {name} does not run here", Retry_After="30")
        return found

    return service


_BEARER: Final = HTTPBearer(auto_error=False, description="A token, with the scopes that its file names.")


def authenticated(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> Holder:
    """Who calls, as the admission noted it."""
    holder: Holder = request.state.holder
    return holder


def _named(holder: Annotated[Holder, Depends(authenticated)]) -> str:
    return holder.name


def needs(area: str) -> Callable[[Holder], None]:
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
