"""The API, as the commands use it."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from dialplane.cli.api_place import Place
from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.plain_text import harmless

PAGE: Final = 200
ATTEMPTS: Final = 4
_PLACE: Final = re.compile(r"^(body|query|path)\.")
"""Of a field; who types a command knows nothing of it."""
ANSWER_WITHIN: Final = 40.0
"""Seconds: somewhat more than the API gives itself."""


class ApiClient:
    """The API, as the commands use it. What may be sent twice is tried again where no answer came."""

    def __init__(self, where: Place) -> None:
        self._where = where
        headers = {"Authorization": f"Bearer {where.token}", "Accept": "application/json"}
        try:
            self._client = httpx.Client(
                base_url=f"{where.url}/api/v1", headers=headers, timeout=ANSWER_WITHIN, trust_env=not where.here
            )
        except (httpx.InvalidURL, ImportError, ValueError) as error:  # the URL, or a proxy of the environment
            raise Unusable(f"{where.url}, or a proxy for it, cannot be used: {error}") from None

    def get(self, path: str, **params: Any) -> Any:
        """What is there. Raises Refused or Unusable."""
        return self._ask("GET", path, params={name: value for name, value in params.items() if value is not None})

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> Any:
        """Have something done; `key` names the request, so that it is done once. Raises Refused or Unusable."""
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def items(self, path: str, limit: int, **params: Any) -> Iterator[dict[str, Any]]:
        """The newest `limit` of a list, page by page."""
        cursor = None
        while limit > 0:
            page = self.get(path, limit=min(limit, PAGE), cursor=cursor, **params)
            yield from page["items"]
            limit, cursor = limit - len(page["items"]), page["next"]
            if cursor is None:
                return

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        attempts = Retrying(
            retry=retry_if_exception_type((httpx.TransportError, _Busy)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential_jitter(0.2, 2),
        )
        try:
            answer = attempts(self._once, method, path, **arguments)
        except RetryError as error:
            reason = _reason(error.last_attempt.exception())
            raise Unusable(f"{self._where.url}: {reason} (does `dialplane run` serve there?)") from None
        return _result(answer, self._where.url)

    def _once(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        answer = self._client.request(method, path, **arguments)
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise _Busy(_detail(answer))
        return answer


class _Busy(Exception):
    pass


def _reason(error: BaseException | None) -> str:
    """Why there is no answer; what is said of a request that could not be made may hold the token."""
    return "no answer" if isinstance(error, httpx.LocalProtocolError) else str(error or "") or "no answer"


def _result(answer: httpx.Response, url: str) -> Any:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise Unusable(f"{url}: the token is not known there")
    if answer.is_client_error:
        raise Refused(_detail(answer))
    try:
        return answer.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError):
        raise Unusable(f"{url}: HTTP {answer.status_code}: {_detail(answer)}") from None


def _detail(answer: httpx.Response) -> str:
    """The problem's own words; nothing of an answer that is none of ours."""
    try:
        said = answer.json()
        wrong = [f"{_PLACE.sub('', error['field'])}: {error['message']}" for error in said.get("errors", [])]
        return harmless("; ".join(wrong) or str(said["detail"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "this is not Dialplane's API"
