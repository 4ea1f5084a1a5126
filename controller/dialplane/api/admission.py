"""Who is let in, before anything but the head of a request is read."""

from http import HTTPStatus

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import Scope

from dialplane.api.dependencies import HEALTH, PREFIX, Api
from dialplane.api.limits import Allowances
from dialplane.api.mount import OpenPath
from dialplane.api.problems import Refusal
from dialplane.api.rate_limit import RateLimit, neighbourhood


class Admission:
    """Admits a request that shows a token, unless there were too many, and one that an `OpenPath` expects."""

    def __init__(self, api: Api, allowances: Allowances) -> None:
        """Serve `api`; `allowances` say which requests need a right before their body is read."""
        self._api = api
        self._allowances = allowances
        opened = [mount.open for mount in api.mounts if mount.open is not None]
        self._open = [(compile_path(f"{PREFIX}{each.path}")[0], each) for each in opened]
        self._requests = RateLimit(api.rate, "requests with this token")
        # Apart, so that nobody who tries tokens from behind the same proxy keeps the platform out.
        self._strangers = RateLimit(api.failure_rate, "requests from this address without a valid token")
        self._guesses = RateLimit(api.failure_rate, "requests from this address that prove nothing")

    def admit(self, scope: Scope) -> None:
        """Note whose token a request shows.

        Raises:
            Refusal: 401, 403, 429.
        """
        if scope["path"] == HEALTH:
            return
        if (path := self._opened(scope)) is not None:
            self._expect(path, scope)
            return
        scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
        token = token if scheme.lower() == "bearer" else ""
        holder = self._api.tokens.holder_of(token)
        if holder is None:
            self._strangers.count(_whence(scope))
            said = "this token is not known here" if token else "say who you are: Authorization: Bearer TOKEN"
            raise Refusal(HTTPStatus.UNAUTHORIZED, said, WWW_Authenticate="Bearer")
        self._requests.count(holder.name)
        right = self._allowances.of(scope["method"], scope["path"]).right
        if right is not None and holder.scopes.reach(*right) == frozenset():
            raise Refusal(HTTPStatus.FORBIDDEN, f"this token has no scope {':'.join(right)}")
        scope.setdefault("state", {})["holder"] = holder

    def guessed(self, scope: Scope) -> None:
        """Count a request that proves nothing; raises the Refusal (429) where there were too many.

        What proves something is let in however many there were: behind an Ingress or a NAT strangers and the platform
        have one address, and whoever guesses must not lock the others out.
        """
        self._guesses.count(_whence(scope))

    def _opened(self, scope: Scope) -> OpenPath | None:
        for path, opened in self._open:
            if opened.method in {"", scope["method"]} and path.fullmatch(scope["path"]):
                return opened
        return None

    def _expect(self, path: OpenPath, scope: Scope) -> None:
        if not path.expects(self._api, address_of(scope)):
            self.guessed(scope)
            raise Refusal(HTTPStatus.FORBIDDEN, path.refusal)


def _whence(scope: Scope) -> str:
    return neighbourhood(address_of(scope) or "")


def address_of(scope: Scope) -> str | None:
    """Where a request comes from; of one that came over a trusted proxy, where it went in."""
    client = scope.get("client")
    return str(client[0]) if client else None
