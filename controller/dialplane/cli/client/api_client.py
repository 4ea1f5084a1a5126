"""The API, as the commands use it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx
from httpx_sse import ServerSentEvent
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from dialplane.cli.client.discovery import Place
from dialplane.cli.client.event_stream import BadStream, events
from dialplane.cli.errors import NoAnswer, Refused, Unusable
from dialplane.cli.plain_text import harmless

PAGE: Final = 200
ATTEMPTS: Final = 4
_PLACE: Final = re.compile(r"^(body|query|path)\.")
"""Of a field; who types a command knows nothing of it."""
ANSWER_WITHIN: Final = 40.0
"""Seconds: somewhat more than the API gives itself."""
SILENCE: Final = 45.0
"""Seconds without a word on a stream; the API sends one every 15."""
ASK_AGAIN: Final = 10.0
"""Seconds to wait at most where the API says when to ask again."""
_UNHEARD: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Errors after which the API cannot have got the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said."""

    status: int
    body: Any
    """The JSON; None where there is none."""
    detail: str = ""
    """What is wrong, in the problem's own words."""
    errors: tuple[tuple[str, str], ...] = ()
    """Fields, and what is wrong with each."""
    after: float = 0.0
    """Seconds after which to ask again, where it says so."""

    def member(self, name: str) -> Any:
        """A member of a problem; None where it has none of that name."""
        return self.body.get(name) if isinstance(self.body, dict) else None


class ApiClient:
    """The API, as the commands use it. What may be sent twice is tried again where no answer came."""

    def __init__(self, where: Place, *, attempts: int = ATTEMPTS, within: float = ANSWER_WITHIN) -> None:
        """Ask at `where`: so often at most, and each time for `within` seconds."""
        self._where = where
        self._attempts = attempts
        headers = {"Authorization": f"Bearer {where.token}", "Accept": "application/json"}
        try:
            self._client = httpx.Client(
                base_url=f"{where.url}/api/v1", headers=headers, timeout=within, trust_env=not where.here
            )
        except (httpx.InvalidURL, ImportError, ValueError) as error:  # the URL, or a proxy of the environment
            raise Unusable(f"{where.url}, or a proxy for it, cannot be used: {error}") from None

    def get(self, path: str, **params: Any) -> Any:
        """What is there. Raises Refused or Unusable."""
        return self.result(self.ask("GET", path, params=_given(params)))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None, **params: Any) -> Any:
        """Have something done; `key` names the request, so that it is done once. Raises Refused or Unusable."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.result(self.ask("POST", path, json=body, headers=headers, params=_given(params)))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Have something be so. Raises Refused or Unusable."""
        return self.result(self.ask("PUT", path, json=body))

    def items(self, path: str, limit: int, **params: Any) -> Iterator[dict[str, Any]]:
        """The first `limit` of a list, page by page."""
        cursor = None
        while limit > 0:
            page = self.get(path, limit=min(limit, PAGE), cursor=cursor, **params)
            yield from page["items"]
            limit, cursor = limit - len(page["items"]), page["next"]
            if cursor is None:
                return

    def ask(self, method: str, path: str, **arguments: Any) -> Answer:
        """What the API answers, whatever it is; for those who know more of it than `get` and `post` do.

        Raises:
            NoAnswer: none came, also when asked again.
        """
        heard = False
        attempts = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, _Busy)),
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            reraise=True,
        )
        try:
            for attempt in attempts:
                with attempt:
                    try:
                        return self._once(method, path, **arguments)
                    except httpx.TransportError as error:
                        heard = heard or not isinstance(error, _UNHEARD)
                        raise
        except (httpx.TransportError, _Busy) as error:
            message = f"{self._where.url}: {_reason(error)} (does `dialplane run` serve there?)"
            raise NoAnswer(message, heard=heard) from None
        raise AssertionError("tenacity ends otherwise")

    def events(self, path: str, last: str = "") -> Iterator[ServerSentEvent]:
        """The events of a stream, from after the event with the id `last` on, until it ends.

        Raises:
            NoAnswer: there is no stream now, or it broke off.
            Refused, Unusable: as `get`.
        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        try:
            with self._client.stream("GET", path, headers=headers, timeout=httpx.Timeout(10, read=SILENCE)) as answer:
                if answer.status_code == HTTPStatus.NO_CONTENT:
                    return
                if not answer.is_success:
                    answer.read()
                    self.result(_read(answer))
                yield from events(answer)
        except (httpx.TransportError, BadStream) as error:
            raise NoAnswer(f"{self._where.url}: {_reason(error)}") from None

    def _once(self, method: str, path: str, **arguments: Any) -> Answer:
        answer = _read(self._client.request(method, path, **arguments))
        busy = answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.member("call_id") is None
        too_fast = answer.status == HTTPStatus.TOO_MANY_REQUESTS and answer.member("maximum") is None
        if busy or too_fast:
            raise _Busy(answer)
        return answer

    def result(self, answer: Answer) -> Any:
        """What was asked for, out of the answer. Raises Refused or Unusable."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise Unusable(f"{self._where.url}: the token is not known there")
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Refused(answer.detail)
        if answer.body is None or answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise Unusable(f"{self._where.url}: HTTP {answer.status}: {answer.detail}")
        return answer.body


class _Busy(Exception):
    """The API asks to be asked again."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail)
        self.after = answer.after if answer.status == HTTPStatus.TOO_MANY_REQUESTS else 0.0
        """Seconds; a service that is away says more than people at a terminal wait for."""


_PAUSE: Final = wait_exponential(multiplier=0.2, max=2) + wait_random(0, 1)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _Busy) else 0.0
    return max(_PAUSE(state), min(asked, ASK_AGAIN))


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _reason(error: BaseException) -> str:
    """Why there is no answer; what is said of a request that could not be made may hold the token."""
    return "no answer" if isinstance(error, httpx.LocalProtocolError) else str(error) or "no answer"


def _read(answer: httpx.Response) -> Answer:
    """The answer as it is; nothing of the text of one that is none of ours."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_success:
        return Answer(answer.status_code, body, "" if body is not None else _STRANGE)
    try:
        errors = tuple((_PLACE.sub("", e["field"]), harmless(str(e["message"]))) for e in body.get("errors", []))
        detail = harmless("; ".join(f"{field}: {message}" for field, message in errors) or str(body["detail"]))
    except (KeyError, TypeError, AttributeError):
        return Answer(answer.status_code, None, _STRANGE)
    after = answer.headers.get("Retry-After", "")
    return Answer(answer.status_code, body, detail, errors, float(after) if after.isdecimal() else 0.0)


_STRANGE: Final = "this is not Dialplane's API"
