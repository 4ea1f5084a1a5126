"""The HTTP half of ARI: aioari's client interface, with what its own lacks.

- The account goes in a header, never in an address: addresses stand in logs and exceptions, and aioari escapes nothing
  in them.
- Every request goes to the address of the manifest: Asterisk names itself `http://HOST/ari` by the Host header in the
  descriptions of its API, also where it was asked by TLS.
- Every request has a time limit, and errors are ours.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aioswagger11.http_client import HttpClient
from pydantic import SecretStr

from dialplane.asterisk.errors import (
    ActionTimeout,
    AuthenticationRefused,
    NotThere,
    PermissionMissing,
    RequestRefused,
    Unreachable,
)

KEEP_ALIVE: Final = 5.0
"""Seconds that an idle connection is used again: Asterisk closes it after 15, and a request sent then would be lost."""
CONNECTIONS: Final = 8
"""At once; Asterisk takes 1 to 2 ms for a request."""
HEARTBEAT: Final = 10.0
"""Seconds between two pings of the events' socket: a dead connection is noticed after half as long again."""
_LONGEST_TEXT: Final = 300


class EventSocket:
    """The socket of an application's events, as aioari reads it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> Any:
        """Return the next text; None at the end, whatever the cause."""
        message = await self._socket.receive()
        return message if message.type is aiohttp.WSMsgType.TEXT else None

    async def close(self) -> None:
        """Close it."""
        await self._socket.close()

    @property
    def transport(self) -> Any:
        """The operating system's socket, or None."""
        return self._socket.get_extra_info("socket")


class AriHttp(HttpClient):  # type: ignore[misc]  # aioswagger11 is untyped
    """Sends what aioari asks for."""

    def __init__(self, url: str, user: str, secret: SecretStr, *, limit: float) -> None:
        """Speak with the server at `url`; it must run in a loop."""
        self._base = url
        self._limit = limit
        self._account = {"Authorization": aiohttp.encode_basic_auth(user, secret.get_secret_value())}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE)
        )
        self.socket: EventSocket | None = None
        """The one that was opened last."""
        self.opened = asyncio.Event()
        """Set each time that one is."""

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Return an answer that has been read.

        Raises:
            AsteriskError: refused, or none in time.
        """
        what = f"{method} {urlsplit(url).path}"
        try:
            async with asyncio.timeout(self._limit):
                answer = await self._session.request(
                    method,
                    at_origin(url, self._base),
                    params=params,
                    data=data,
                    headers=self._account | (headers or {}),
                )
                text = await answer.text()
        except TimeoutError:
            raise ActionTimeout(f"ARI: {what}: no answer within {self._limit:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from None
        if answer.status >= 400:  # noqa: PLR2004 -- HTTP's errors
            raise self._refusal(what, answer.status, text)
        return answer

    async def ws_connect(self, url: str, params: Mapping[str, str] | None = None) -> EventSocket:
        """Return the open socket of an application's events.

        Raises:
            AsteriskError: refused, or not open in time.
        """
        try:
            async with asyncio.timeout(self._limit):
                socket = await self._session.ws_connect(
                    at_origin(url, self._base, web_socket=True),
                    params=params,
                    headers=self._account,
                    compress=0,
                    heartbeat=HEARTBEAT,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
                )
        except TimeoutError:
            raise ActionTimeout(f"ARI: events: not open within {self._limit:g} s") from None
        except aiohttp.WSServerHandshakeError as error:
            raise self._refusal("events", error.status, "") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from None
        self.socket = EventSocket(socket)
        self.opened.set()
        return self.socket

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return Unreachable(f"ARI: {self._base} shows a certificate that is not trusted")
        reason = error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else None
        return Unreachable(f"ARI: {self._base} does not answer: {reason or type(error).__name__}")

    def _refusal(self, what: str, status: int, text: str) -> Exception:
        match status:
            case 401:
                return AuthenticationRefused(f"ARI: {self._base} refuses user or password: compare ari.conf")
            case 403:
                return PermissionMissing(f"ARI: {what}", "this user may only read: read_only = no in ari.conf")
        return (NotThere if status == 404 else RequestRefused)(f"ARI: {what}", status, _message(text))  # noqa: PLR2004


def at_origin(url: str, base: str, *, web_socket: bool = False) -> str:
    """Return the address of the same path at the server of `base`."""
    server = urlsplit(base)
    scheme = {"http": "ws", "https": "wss"}[server.scheme] if web_socket else server.scheme
    return urlunsplit((scheme, server.netloc, urlsplit(url).path, "", ""))


def _message(text: str) -> str:
    """Return what Asterisk says of an error."""
    try:
        message = json.loads(text)
        text = str(message.get("message") or message.get("error") or text)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:_LONGEST_TEXT]
