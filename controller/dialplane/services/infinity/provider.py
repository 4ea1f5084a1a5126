"""The Infinity platform's API: one request for one call, and what is known afterwards.

MakeCall is a form in, and JSON out that acknowledges: `{"ret": 200, "data": {"status": 0, "desc": …}, "msg": ""}`; a
`ret` other than 200 or a `status` other than 0 refuses (the platform's public documentation). What is between a
refusal and nothing decides whether a customer's telephone may ring: from the first byte of a request on, whatever is
not an answer is `lost`, and nobody asks again. httpcore tells when that byte goes out (its extension `trace`).
"""

import asyncio
import json
import logging
import socket
import ssl
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Literal

import httpx

from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tenant import Tenant

SERVICE: Final = "App.Sip_Call.MakeCall"
PASSED_ON: Final = "chengshudu"
"""The custom parameter of a call that the platform has a field for, and gives back in the record."""
PROBE_SECONDS: Final = 5.0
ANSWER_LIMIT: Final = 64 << 10
"""Bytes: the real ones have two hundred."""
IDLE_SECONDS: Final = 2.0
"""How long a connection is kept without a request. A server that closes one in the moment a request goes out costs a
call whose fate nobody knows: so it is less than any common server's patience (5 s)."""
_IDLE_CONNECTIONS: Final = 20
_STEP_SECONDS: Final = 60.0
"""For each step of a request: a net below the limits that count."""
_WORDS_LIMIT: Final = 200
_SENDING: Final = "http11.send_request_headers.started"
_MAYBE: Final = "the customer may be rung: wait for the call's record, or ask the platform, before calling again"

for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # they tell URLs and headers

Kind = Literal["accepted", "refused", "not_sent", "lost"]
"""The platform took the call; it refused it, nobody rings; it was never asked, nobody rings; it was asked, and what it
said did not come, or cannot be read: the customer may be rung."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    kind: Kind
    detail: str
    """For people; holds no secret."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether the platform's API answers at all."""

    answers: bool
    detail: str
    """For people."""
    milliseconds: float
    """How long that took."""


def _nothing() -> None:
    pass


class Provider:
    """Asks the platforms of all tenants; one for a process. Connections are pooled, and no redirect is followed.

    How many requests run at a time is bounded by leases alone: a limit here would let a slow platform hold up others.
    """

    def __init__(self) -> None:
        self._client = _client()

    async def close(self) -> None:
        """Close every connection; who asks after that gets new ones, for a service that failed runs again."""
        before, self._client = self._client, _client()
        await before.aclose()

    async def make_call(self, tenant: Tenant, call: Call, *, sending: Callable[[], None] = _nothing) -> Answer:
        """Ask the tenant's platform once to place the call; takes `requestTimeoutSeconds` at most.

        Args:
            tenant: whose platform.
            call: a call that holds its extension.
            sending: called right before the first byte of the request goes out.
        """
        began = asyncio.get_running_loop().time()
        kind, detail = await self._asked(tenant, call, sending)
        return Answer(kind, detail, asyncio.get_running_loop().time() - began)

    async def probe(self, tenant: Tenant) -> Probe:
        """Whether the platform answers anything below 500; shows it no token."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(PROBE_SECONDS), self._client.stream("GET", tenant.spec.api_url) as answer:
                answers = not answer.is_server_error
                words = f"answers HTTP {answer.status_code}"
        except TimeoutError:
            answers, words = False, f"does not answer within {PROBE_SECONDS:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            answers, words = False, _why(error)
        return Probe(answers, f"{_place(tenant)}: {words}", round(1000 * (loop.time() - began), 1))

    async def _asked(self, tenant: Tenant, call: Call, sending: Callable[[], None]) -> tuple[Kind, str]:
        if tenant.token is None:
            reference = tenant.spec.token_secret_ref
            return "not_sent", f"the access token is missing: the Secret {reference.name} has no key {reference.key}"
        progress = _Progress(sending)
        limit = tenant.spec.request_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                return await self._exchange(tenant, form(call, tenant.token.get_secret_value()), progress)
        except TimeoutError:
            why = f"no answer within {limit} s" if progress.sent else f"no connection within {limit} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = _cut(error) if progress.sent else _why(error)
        place = _place(tenant)
        if progress.sent:
            return "lost", f"{place}: {why}: {_MAYBE}"
        return "not_sent", f"{place}: {why}: nobody was called"

    async def _exchange(self, tenant: Tenant, fields: dict[str, str], progress: "_Progress") -> tuple[Kind, str]:
        url, told = tenant.spec.api_url, {"trace": progress}
        async with self._client.stream("POST", url, data=fields, extensions=told, follow_redirects=False) as answer:
            if answer.is_success:
                return judged(await _body(answer), hidden=fields["token"])
            said = f"{_place(tenant)}: HTTP {answer.status_code}"
            if answer.is_client_error:
                return "refused", f"{said}: see apiUrl, and what stands before the platform"
            if answer.is_redirect and answer.status_code != httpx.codes.SEE_OTHER:
                return "refused", f"{said}: the API is elsewhere, correct apiUrl"
            return "lost", f"{said}: {_MAYBE}"


def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=_IDLE_CONNECTIONS, keepalive_expiry=IDLE_SECONDS
    )
    # `retries` are of connecting alone: nothing has been sent then.
    transport = httpx.AsyncHTTPTransport(limits=limits, retries=1)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "dialplane"}
    client = httpx.AsyncClient(transport=transport, timeout=_STEP_SECONDS, headers=headers)
    # A cookie of one tenant's request would go out with another's.
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


class _Progress:
    """Hears from httpcore how far a request is."""

    def __init__(self, sending: Callable[[], None]) -> None:
        self.sent = False
        self._sending = sending

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        # Behind a proxy, CONNECT is sent first; that asks nobody for a call.
        if event == _SENDING and info["request"].method == b"POST" and not self.sent:
            self.sent = True
            self._sending()


def form(call: Call, token: str) -> dict[str, str]:
    """The fields of MakeCall. `memberid` comes back in the record, and says to which call that belongs."""
    fields = {
        "service": SERVICE,
        "token": token,
        "extnumber": call.number,
        "destnumber": call.destination,
        "userid": call.agent,
        "customuuid": call.case_id or "",
        "memberid": call.id,
    }
    if call.caller_number:
        fields["disnumber"] = call.caller_number
    if PASSED_ON in call.custom:
        fields[PASSED_ON] = call.custom[PASSED_ON]
    return fields


def judged(body: bytes | None, *, hidden: str = "") -> tuple[Kind, str]:
    """What an answer with a code of success means; None is one that is too long. `hidden` is kept out of the words."""
    try:
        said = json.loads(body or b"")
        ret = _code(said["ret"])
        if ret != httpx.codes.OK:
            return "refused", f"the platform refuses ({ret}): {_words(said.get('msg'), hidden)}"
        status = _code(said["data"]["status"])
        words = _words(said["data"].get("desc"), hidden)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "lost", f"the platform's answer cannot be read: {_MAYBE}"
    if status != 0:
        return "refused", f"the platform refuses (status {status}): {words}"
    return "accepted", words


def _code(value: Any) -> int:
    """PHP says 200 and "200" alike. Raises ValueError or TypeError for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return int(value)


def _words(said: Any, hidden: str) -> str:
    """Of a stranger: one short line that steers no terminal, and shows no token."""
    text = said if isinstance(said, str) else ""
    if hidden:
        text = text.replace(hidden, "…")
    text = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text[: 4 * _WORDS_LIMIT])
    text = " ".join(text.split())
    return (text if len(text) <= _WORDS_LIMIT else f"{text[:_WORDS_LIMIT]}…") or "it gives no reason"


async def _body(answer: httpx.Response) -> bytes | None:
    body = b""
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            return None
    return body


def _place(tenant: Tenant) -> str:
    try:
        url = httpx.URL(tenant.spec.api_url)
    except httpx.InvalidURL:
        return "apiUrl"
    return url.netloc.decode()


def _cut(error: Exception) -> str:
    """Why an answer did not come; no library's words, for some repeat what was sent."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection ended before the answer did"
    return "the connection broke"


def _why(error: Exception) -> str:
    """Why nothing was sent."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "the name is not known: correct apiUrl, or see to the name service"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}): correct apiUrl, or have it renewed"
        if isinstance(cause, ssl.SSLError):
            return "it speaks no TLS that is good here: correct apiUrl"
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError):
        return "no request can be made of it: correct apiUrl"
    if isinstance(error, httpx.ProxyError):
        return "the proxy of this machine's environment refuses to lead there"
    return "no connection: see whether the platform is up, and apiUrl right"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
