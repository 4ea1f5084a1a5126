"""How `sms` and `notifications` reach the API: from options, the environment, or the state directory of `run`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from dialplane.cli.errors import Refused, Unusable
from dialplane.cli.extras import missing_extra
from dialplane.cli.output import warn
from dialplane.cli.plain_text import harmless
from dialplane.cli.state import API_TOKENS, API_URL, state_directory
from dialplane.standalone.files import read_file

try:
    import httpx
except ImportError as _error:  # the extra `services` is optional
    _MISSING: ImportError | None = _error
else:
    _MISSING = None

TOKEN: Final = "DIALPLANE_TOKEN"  # noqa: S105 -- the name of a variable
PAGE: Final = 200
ATTEMPTS: Final = 4
ANSWER_WITHIN: Final = 40.0
"""Seconds: somewhat more than the API gives itself."""

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="DIALPLANE_URL",
        metavar="URL",
        help="Where the API is. [default: that of `dialplane run` on this machine]",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help=f"Holds the token. [default: ${TOKEN}; without --url, that of `dialplane run`]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is, and as whom to ask."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Place({self.url!r})"


def place(url: str | None, token_file: Path | None, state_dir: Path | None) -> Place:
    """The API's place. The token of this machine's `run` goes to no other place.

    Raises:
        Unusable: no URL or no token is to be found.
    """
    state = state_directory(state_dir)
    token = _read(token_file) if token_file is not None else os.environ.get(TOKEN, "")
    if url is None:
        found = read_file(state / API_URL)
        if found.flaw:
            raise Unusable(f"where is the API? `dialplane run --listen` has none in {state}: say --url, or --state-dir")
        url = found.data.decode("utf-8", "replace").strip()
        token = token or _read(state / API_TOKENS / "local")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise Unusable("--url is http://HOST:PORT or https://HOST, without a name or password")
    if not token:
        raise Unusable(f"without a token: set {TOKEN}, or say --token-file FILE")
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        warn(f"the token and the messages go to {parts.hostname} for all to read: use https")
    return Place(url.rstrip("/"), token)


def _read(path: Path) -> str:
    file = read_file(path)
    if file.flaw:
        raise Unusable(f"{path}: {file.flaw}")
    return file.data.decode("utf-8", "replace").strip()


class ApiClient:
    """The API, as the commands use it. What may be sent twice is tried again where no answer came."""

    def __init__(self, where: Place) -> None:
        if _MISSING is not None:
            raise missing_extra(_MISSING, "services")
        self._where = where
        headers = {"Authorization": f"Bearer {where.token}", "Accept": "application/json"}
        self._client = httpx.Client(base_url=f"{where.url}/api/v1", headers=headers, timeout=ANSWER_WITHIN)

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
            reason = error.last_attempt.exception()
            raise Unusable(f"{self._where.url}: {reason or 'no answer'} (does `dialplane run` serve there?)") from None
        return _result(answer, self._where.url)

    def _once(self, method: str, path: str, **arguments: Any) -> "httpx.Response":
        answer = self._client.request(method, path, **arguments)
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise _Busy(_detail(answer))
        return answer


class _Busy(Exception):
    pass


def _result(answer: "httpx.Response", url: str) -> Any:
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise Unusable(f"{url}: the token is not known there")
    if answer.is_client_error:
        raise Refused(_detail(answer))
    try:
        return answer.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError):
        raise Unusable(f"{url}: HTTP {answer.status_code}: {_detail(answer)}") from None


def _detail(answer: "httpx.Response") -> str:
    """The problem's own words; nothing of an answer that is none of ours."""
    try:
        said = answer.json()
        wrong = [f"{error['field'].removeprefix('body.')}: {error['message']}" for error in said.get("errors", [])]
        return harmless("; ".join(wrong) or str(said["detail"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "this is not Dialplane's API"
