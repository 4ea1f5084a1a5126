"""Who is let in, before anything but the head of a request is read."""

from http import HTTPStatus
from typing import Final

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import Scope

from dialplane.api.dependencies import HEALTH, PREFIX, Api
from dialplane.api.limits import BODY, allowance
from dialplane.api.problems import Refusal
from dialplane.api.rates import RateLimit, neighbourhood
from dialplane.services.infinity import callback

CALLBACK: Final = f"{PREFIX}/infinity/callback/call-record"
"""The only path that asks for another proof than a token: the platform's secret is in the body's signature."""


class Admission:
    """Lets in who shows a token, and not too often; and the platforms of tenants."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._requests = RateLimit(api.rate, "requests with this token")
        # Apart, so that nobody who tries tokens from behind the same proxy keeps the platform out.
        self._strangers = RateLimit(api.failure_rate, "requests from this address without a valid token")
        self._guesses = RateLimit(api.failure_rate, "callbacks from this address that prove nothing")

    def admit(self, scope: Scope) -> None:
        """Note whose token a request shows.

        Raises:
            Refusal: 401, 403, 429.
        """
        if scope["path"] == HEALTH:
            return
        if scope["path"] == CALLBACK:
            self._admit_platform(scope)
            return
        scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
        token = token if scheme.lower() == "bearer" else ""
        holder = self._api.tokens.holder_of(token)
        if holder is None:
            self._strangers.count(_whence(scope))
            said = "this token is not known here" if token else "say who you are: Authorization: Bearer TOKEN"
            raise Refusal(HTTPStatus.UNAUTHORIZED, said, WWW_Authenticate="Bearer")
        self._requests.count(holder.name)
        if allowance(scope["method"], scope["path"]).body > BODY and holder.scopes.reach("manage") == frozenset():
            raise Refusal(HTTPStatus.FORBIDDEN, "this token manages no tenant")
        scope.setdefault("state", {})["holder"] = holder

    def guessed(self, scope: Scope) -> None:
        """Count a callback that proves nothing; raises the Refusal (429) where there were too many.

        What proves something is let in however many there were: behind an Ingress or a NAT strangers and the platform
        have one address, and whoever guesses must not lock the others out.
        """
        self._guesses.count(_whence(scope))

    def _admit_platform(self, scope: Scope) -> None:
        infinity = self._api.infinity
        if infinity is None or not callback.heard(infinity.tenants().values(), address_of(scope)):
            self.guessed(scope)
            raise Refusal(HTTPStatus.FORBIDDEN, "no tenant takes callbacks from this address")


def _whence(scope: Scope) -> str:
    return neighbourhood(address_of(scope) or "")


def address_of(scope: Scope) -> str | None:
    """Where a request comes from; of one that came over a trusted proxy, where it went in."""
    client = scope.get("client")
    return str(client[0]) if client else None
