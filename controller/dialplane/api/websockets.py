"""WebSockets: who opens one is admitted before it is accepted; what a socket may take is bounded while it is open.

A service describes each of its endpoints by a SocketEndpoint; a SocketApplication serves them all on one listener
(`socket_server`). It takes the token out of the request before anything else looks at it, so that neither an endpoint
nor a log or an exception ever has one.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode

import structlog
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from websockets.frames import CloseCode

from dialplane.api.concurrency import ConcurrencyLimit
from dialplane.api.problems import Refusal, problem
from dialplane.api.rate_limit import GUESSES, Rate, RateLimit, neighbourhood
from dialplane.logs import log_unexpected

TOKEN: Final = "token"  # noqa: S105 -- the name of a parameter
"""The query parameter for those who cannot send the header `Authorization: Bearer TOKEN`."""
ABORT: Final = "abort"
"""Where the server puts, into the scope's state, what ends a connection without waiting for its peer."""
WRITABLE: Final = "writable"
"""Where it puts what says whether a message is sent without waiting for its peer."""
SEND: Final = "send"
"""Where it puts what sends one message, without waiting, and returns whether the socket is open."""
LISTEN: Final = "listen"
"""Where it puts what hands each message on as it comes, until the end, and returns the close code."""
LOG_SECONDS: Final = 60.0
"""Refused sockets are logged at most so often, with their number."""
REASON_LONGEST: Final = 123
"""Bytes of the reason in a close frame."""
_UTF8_LONGEST: Final = 4
"""Bytes of one character."""

_LOG = structlog.get_logger("dialplane.api")


class Named(Protocol):
    """Whoever was admitted."""

    @property
    def name(self) -> str:
        """The name of the token, or of the device that has it: sockets are counted by it."""


H = TypeVar("H", bound=Named)


USUAL: Final = Rate(60, 60)
"""How often one name may open a socket."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What the sockets of one endpoint may take."""

    total: int = 12_000
    """Open at a time; one more is refused with 503."""
    each: int = 2
    """Open at a time for one name; one more is refused with 429. Two, because a peer that lost its connection comes
    back before the old socket is known to be dead."""
    opens: Rate = USUAL
    """How often one name may open a socket; more are refused with 429."""
    message: int = 64 * 1024
    """Bytes of one message received; a longer one closes the socket with 1009."""
    send_seconds: float = 2.0
    """How long a peer may keep one message waiting that is sent to it; then it is cut off."""


class SocketClosed(Exception):
    """Nothing more comes or goes. An endpoint lets it pass."""

    def __init__(self, code: int) -> None:
        """`code` is the close code of RFC 6455; 1006 where the peer went or was cut off without one."""
        super().__init__(f"the socket is closed with code {code}")
        self.code = code


class Socket(Generic[H]):
    """One accepted WebSocket. One task may receive while others send."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, holder: H, limits: SocketLimits) -> None:
        self.scope = scope
        """The ASGI scope, without the token."""
        self.holder = holder
        """What `admit` returned."""
        self._receive = receive
        self._send = send
        self._limits = limits
        state = scope.get("state", {})
        self._abort: Callable[[], None] = state.get(ABORT, _nothing)
        self._writable: Callable[[], bool] = state.get(WRITABLE, _unsure)
        self._send_now: Callable[[str | bytes], bool] = state.get(SEND, _closed_already)
        self._listen: Callable[[Callable[[str | bytes], None]], Awaitable[int]] | None = state.get(LISTEN)
        self._closed: int | None = None

    @property
    def writable(self) -> bool:
        """Whether `send` does not wait now: the peer reads what is sent to it."""
        return self._writable()

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            SocketClosed: there is none any more, or it was too large.
        """
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._closed = self._closed or message.get("code", CloseCode.NO_STATUS_RCVD)
            raise SocketClosed(self._closed)
        text: str | None = message.get("text")
        data: str | bytes = message["bytes"] if text is None else text
        if _larger(data, self._limits.message):
            await self.close(CloseCode.MESSAGE_TOO_BIG, f"more than {self._limits.message:,} bytes")
            raise SocketClosed(CloseCode.MESSAGE_TOO_BIG)
        return data

    async def listen(self, take: Callable[[str | bytes], None]) -> None:
        """Hand each message to `take` as it comes, until the socket is closed; `receive` gets none any more.

        Nothing is slower than a task for each message: what is frequent and short is taken so. Messages are as large
        as the listener's largest; `take` looks at what is larger than it wants.

        Raises:
            SocketClosed: at the end.
        """
        if self._listen is None:
            while True:
                take(await self.receive())
        code = await self._listen(take)
        self._closed = self._closed or code
        raise SocketClosed(self._closed)

    def send_now(self, message: str | bytes) -> bool:
        """Send one message where `writable`; return False where the socket is closed. Never waits."""
        return self._closed is None and self._send_now(message)

    async def send(self, message: str | bytes) -> None:
        """Send one message.

        Raises:
            SocketClosed: the socket is closed, or its peer did not read in time and was cut off.
        """
        if self._closed is not None:
            raise SocketClosed(self._closed)
        if self._writable() and self._send_now(message):  # nothing is waited for
            return
        if not await self._sent({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}):
            self._closed = self._closed or CloseCode.ABNORMAL_CLOSURE
            raise SocketClosed(self._closed)

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close the socket; one that is closed already stays as it is."""
        if self._closed is not None:
            return
        self._closed = code
        short = reason.encode()[:REASON_LONGEST].decode("utf-8", "ignore")
        await self._sent({"type": "websocket.close", "code": code, "reason": short})

    async def accept(self) -> None:
        """Answer the upgrade; once, before anything else."""
        await self._receive()
        await self._sent({"type": "websocket.accept"})

    def abort(self) -> None:
        """Cut the connection, without waiting for the peer."""
        self._closed = self._closed or CloseCode.ABNORMAL_CLOSURE
        self._abort()

    async def _sent(self, message: Message) -> bool:
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await self._send(message)
        except TimeoutError:
            self._abort()
            return False
        except OSError:  # the peer is gone, or the close frame is out already
            return False
        return True


@dataclass(frozen=True, slots=True)
class SocketEndpoint(Generic[H]):
    """One path at which a service takes WebSockets."""

    path: str
    """As in `/ws`, compared as a whole."""
    admit: Callable[[Scope, str], H]
    """Who opens a socket, by its scope and the token that came with it (empty: none). Never waits. Raises a Refusal:
    401 alike for a token that is wrong, unknown or disabled. Compare tokens by `tokens.matches`."""
    serve: Callable[[Socket[H]], Awaitable[None]]
    """Serves one accepted socket; it is closed when this returns (1000) or fails (1011)."""
    limits: SocketLimits = SocketLimits()


class SocketApplication:
    """The ASGI application of a listener for WebSockets."""

    def __init__(
        self,
        endpoints: Sequence[SocketEndpoint[Any]],
        *,
        trusted_proxies: Sequence[str] = (),
        failure_rate: Rate = GUESSES,
    ) -> None:
        """Serve `endpoints`.

        Of an address without a valid token no more than `failure_rate` are told so; further ones get 429. A right token
        is admitted however many there were: a building's devices share one address.
        """
        self._gates = {endpoint.path: _Gate(endpoint) for endpoint in endpoints}
        self._strangers = RateLimit(failure_rate, "sockets from this address without a valid token")
        self._refused = 0
        self._logged = -math.inf
        self._app: ASGIApp = self._serve
        if trusted_proxies:
            self._app = ProxyHeadersMiddleware(self._serve, list(trusted_proxies))  # type: ignore[arg-type,assignment]

    @property
    def largest_message(self) -> int:
        """Bytes of the largest message that any endpoint takes."""
        return max(gate.endpoint.limits.message for gate in self._gates.values())

    @property
    def open(self) -> int:
        """How many sockets are open."""
        return sum(gate.open for gate in self._gates.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _take_token(scope)
        if scope["type"] != "websocket":
            headers = {"Upgrade": "websocket", "Connection": "close"}
            answer = problem(HTTPStatus.UPGRADE_REQUIRED, "this port serves WebSockets alone", headers=headers)
            await answer(scope, receive, send)
            return
        try:
            gate = self._gate(scope["path"])
            holder = gate.admit(scope, token)
        except Refusal as refusal:
            await self._noted(refusal, scope).response(scope, receive, send)
            return
        with gate.one(holder.name):
            await gate.serve(Socket(scope, receive, send, holder, gate.endpoint.limits))

    def _gate(self, path: str) -> "_Gate":
        if path not in self._gates:
            raise Refusal(HTTPStatus.NOT_FOUND, "no WebSocket is served at this path")
        return self._gates[path]

    def _noted(self, refusal: Refusal, scope: Scope) -> Refusal:
        """The refusal to answer with: another one (429) where an address proves nothing too often."""
        if refusal.response.status_code != HTTPStatus.UNAUTHORIZED:
            return refusal
        self._refused += 1
        if time.monotonic() - self._logged >= LOG_SECONDS:
            _LOG.warning("WebSockets without a valid token", number=self._refused)
            self._logged, self._refused = time.monotonic(), 0
        client = scope.get("client")
        try:
            self._strangers.count(neighbourhood(str(client[0]) if client else ""))
        except Refusal as too_many:
            return too_many
        return refusal


class _Gate:
    """Admits to one endpoint, and serves who was admitted."""

    def __init__(self, endpoint: SocketEndpoint[Any]) -> None:
        limits = endpoint.limits
        self.endpoint = endpoint
        self._sockets = ConcurrencyLimit(limits.each, limits.total, "sockets are open with this token")
        self._opens = RateLimit(limits.opens, "sockets opened with this token")
        self.one = self._sockets.one

    @property
    def open(self) -> int:
        return self._sockets.open

    def admit(self, scope: Scope, token: str) -> Named:
        """Who it is. Raises a Refusal."""
        holder: Named = self.endpoint.admit(scope, token)
        if self.open >= self.endpoint.limits.total:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many sockets are open here", Retry_After="5")
        self._sockets.check(holder.name)
        self._opens.count(holder.name)
        return holder

    async def serve(self, socket: Socket[Any]) -> None:
        """Accept, serve and close one socket; never fails."""
        code = CloseCode.NORMAL_CLOSURE
        try:
            await socket.accept()
            await self.endpoint.serve(socket)
        except Exception as error:  # noqa: BLE001 -- uvicorn would drop the connection without a close frame
            if not _closed(error):
                log_unexpected("a WebSocket failed", error, path=self.endpoint.path)
            code = CloseCode.INTERNAL_ERROR
        await socket.close(code)


def _closed(error: BaseException) -> bool:
    """Whether an endpoint ended because its socket did; one with several tasks ends by a group."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(SocketClosed)[1] is None
    return isinstance(error, SocketClosed)


def _take_token(scope: Scope) -> str:
    """The token of a request, which has none from then on: the scope is what uvicorn and exceptions would log."""
    scheme, token = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    in_query = [value for name, value in query if name.lower() == TOKEN]
    scope["query_string"] = urlencode([(name, value) for name, value in query if name.lower() != TOKEN]).encode("ascii")
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() != b"authorization"]
    return next(iter([token] if scheme.lower() == "bearer" else in_query), "")


def _larger(data: str | bytes, most: int) -> bool:
    if isinstance(data, bytes):
        return len(data) > most
    return len(data) * _UTF8_LONGEST > most and len(data.encode()) > most


def _closed_already(_: str | bytes) -> bool:
    return False


def _nothing() -> None:
    pass


def _unsure() -> bool:
    return False
