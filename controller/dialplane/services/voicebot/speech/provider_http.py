"""HTTP to a provider: a pool of connections for one bot, limits on time and size, no redirects, no cookies."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import httpx

from dialplane.services.voicebot.speech.contract import SpeechFault
from dialplane.services.voicebot.speech.provider import PaidProvider, ProviderLimits
from dialplane.services.voicebot.speech.provider_tls import no_connection, tls_context

_BODY_LIMIT: Final = 1 << 20
_CONNECTIONS: Final = 500
"""As many as one bot may have calls."""

for _library in ("httpx", "httpcore"):
    logging.getLogger(_library).setLevel(logging.WARNING)  # they log URLs and headers


class ProviderHttp:
    """Asks one provider."""

    def __init__(self, provider: PaidProvider, headers: Mapping[str, str], limits: ProviderLimits) -> None:
        """Send `headers`, which have the key, with every request."""
        self._provider, self._headers, self._limits = provider, headers, limits
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def answer(self, method: str, path: str, body: Any = None, *, first: float) -> AsyncIterator[httpx.Response]:
        """Yield an answer of success, before its body was read.

        Args:
            method: `GET` or `POST`.
            path: below the provider's address, with its query.
            body: sent as JSON.
            first: seconds until the answer begins.

        Raises:
            SpeechError: the provider does not serve, or not in time.
        """
        try:
            async with asyncio.timeout(first):
                answer = await self._begun(method, path, body)
        except (TimeoutError, httpx.TimeoutException):
            raise self._provider.error(SpeechFault.TIMEOUT, f"no answer within {first:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._provider.error(_fault_of(error), no_connection(error)) from None
        try:
            if not answer.is_success:
                raise self._provider.http_error(answer.status_code, await self._read(answer))
            yield answer
        finally:
            await answer.aclose()

    async def pieces(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """Yield an answer's body as it comes.

        Raises:
            SpeechError: it breaks off, or pauses for too long.
        """
        pieces = answer.aiter_raw()
        while True:
            try:
                async with asyncio.timeout(self._limits.end_seconds):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                detail = f"it paused for {self._limits.end_seconds:g} s"
                raise self._provider.error(SpeechFault.TIMEOUT, detail) from None
            except (httpx.HTTPError, OSError):
                raise self._provider.error(SpeechFault.UNAVAILABLE, "the answer broke off") from None
            yield piece

    async def body(self, method: str, path: str, body: Any = None, *, first: float | None = None) -> bytes:
        """Return the body of an answer of success, of a mebibyte at most.

        Args:
            method: see `answer`.
            path: see `answer`.
            body: see `answer`.
            first: see `answer`; by default the provider's limit.

        Raises:
            SpeechError: the provider does not serve, or not in time.
        """
        limit = self._limits.answer_seconds if first is None else first
        async with self.answer(method, path, body, first=limit) as answer:
            return await self._read(answer)

    async def close(self) -> None:
        """Close all connections. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _begun(self, method: str, path: str, body: Any) -> httpx.Response:
        """Return an answer of which only the head was read.

        A connection that was kept may be closed in the moment that a request goes out. So it goes out once more; to be
        asked twice does nothing here but cost a little.
        """
        client = await self._open_client()
        address = f"{self._provider.url.rstrip('/')}{path}"
        try:
            return await client.send(client.build_request(method, address, json=body), stream=True)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            if _fault_of(error) is not SpeechFault.UNAVAILABLE:
                raise
            return await client.send(client.build_request(method, address, json=body), stream=True)

    async def _read(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for piece in self.pieces(answer):
            body += piece
            if len(body) > _BODY_LIMIT:
                raise self._provider.error(SpeechFault.GARBLED, f"an answer of more than {_BODY_LIMIT:,} bytes")
        return bytes(body)

    async def _open_client(self) -> httpx.AsyncClient:
        tls = await tls_context() if self._client is None else None
        if self._client is None:
            assert tls is not None  # noqa: S101 -- made above
            headers = {"Accept-Encoding": "identity", "User-Agent": "dialplane", **self._headers}
            limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=60)
            timeout = httpx.Timeout(None, connect=self._limits.connect_seconds, pool=self._limits.connect_seconds)
            self._client = httpx.AsyncClient(verify=tls, headers=headers, limits=limits, timeout=timeout)
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        return self._client


def _fault_of(error: Exception) -> SpeechFault:
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return SpeechFault.GARBLED
    return SpeechFault.UNAVAILABLE
