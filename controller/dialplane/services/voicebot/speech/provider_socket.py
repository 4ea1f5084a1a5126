"""The WebSocket to a provider: what is sent never waits, what is awaited has a limit, and nothing of it is logged."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)

from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.speech.provider import PaidProvider, ProviderLimits
from dialplane.services.voicebot.speech.provider_tls import no_connection, tls_context

_MESSAGE_LIMIT: Final = 2 << 20
"""Bytes of one message: 30 s of audio."""
_WAITING_LIMIT: Final = 2 << 20
"""Bytes that wait to be sent: more than 20 s of audio. A provider that falls behind so far does not serve."""
_PING_SECONDS: Final = 10.0

_UNHEARD: Final = logging.getLogger("dialplane.services.voicebot.speech.wire")
_UNHEARD.disabled = True  # at DEBUG, websockets logs every header and message: the key, and what callers say


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none: the key would go along."""
        return exc


class ProviderSocket:
    """One connection; `ProviderSockets` opens and closes it."""

    def __init__(self, provider: PaidProvider, socket: ClientConnection, close_seconds: float) -> None:
        """Send over an open socket; closing it takes so long at most."""
        self.provider = provider
        self._close_seconds = close_seconds
        self._socket = socket
        self._waiting: deque[str | bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._fault: SpeechError | None = None
        self._sender = asyncio.create_task(self._send_all())

    @property
    def waiting_bytes(self) -> int:
        """How much has not gone out yet."""
        return self._waiting_bytes

    def send(self, message: str | bytes) -> None:
        """Send a message when the provider takes it. Never waits; once the connection is over it does nothing."""
        if self._fault is not None or self._sender.done():
            return
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        if self._waiting_bytes > _WAITING_LIMIT:
            self._fault = self.provider.error(SpeechFault.TIMEOUT, "it does not take what it is sent")
            self._waiting.clear()
            self._socket.transport.abort()
        self._changed.set()

    async def receive(self, seconds: float | None = None) -> str | bytes:
        """Return the next message.

        Args:
            seconds: how long it may take; None for as long as the connection lives.

        Raises:
            SpeechError: it did not come in time, or the connection is over.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._socket.recv()
        except TimeoutError:
            raise self.provider.error(SpeechFault.TIMEOUT, f"nothing came for {seconds:g} s") from None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else "no code"
            raise self._fault or self.provider.error(SpeechFault.UNAVAILABLE, f"closed, {code}") from None

    async def close(self) -> None:
        """Send what waits, and say goodbye. Never raises."""
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        with suppress(TimeoutError, OSError, WebSocketException):
            async with asyncio.timeout(self._close_seconds):
                while self._waiting:
                    await self._socket.send(self._waiting.popleft())
                await self._socket.close()
        self._socket.transport.abort()

    async def _send_all(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                while self._waiting:
                    message = self._waiting.popleft()
                    self._waiting_bytes -= len(message)
                    await self._socket.send(message)
                self._changed.clear()
                await self._changed.wait()


class ProviderSockets:
    """All the connections to one bot's provider: none is left over when the bot ends."""

    def __init__(self, provider: PaidProvider, limits: ProviderLimits) -> None:
        """Keep the limits for all."""
        self._provider, self._limits = provider, limits
        self._open: set[ProviderSocket] = set()
        self._ending: set[asyncio.Task[None]] = set()

    async def open(self, url: str, headers: Mapping[str, str]) -> ProviderSocket:
        """Connect to a `ws` or `wss` address.

        Args:
            url: without credentials.
            headers: with the key.

        Raises:
            SpeechError: it refuses, or is not there in time.
        """
        try:
            tls = await tls_context() if url.startswith("wss:") else None
            async with asyncio.timeout(self._limits.connect_seconds):
                connection = await _Connect(
                    url,
                    additional_headers=headers,
                    user_agent_header="dialplane",
                    compression=None,  # audio does not get smaller by it, and it costs more than all the rest
                    open_timeout=None,
                    close_timeout=self._limits.close_seconds,
                    ping_interval=_PING_SECONDS,
                    ping_timeout=_PING_SECONDS,
                    max_size=_MESSAGE_LIMIT,
                    logger=_UNHEARD,
                    ssl=tls,
                )
        except TimeoutError:
            detail = f"no connection within {self._limits.connect_seconds:g} s"
            raise self._provider.error(SpeechFault.TIMEOUT, detail) from None
        except (OSError, WebSocketException, EOFError) as error:
            raise self._refusal(error) from None
        socket = ProviderSocket(self._provider, connection, self._limits.close_seconds)
        self._open.add(socket)
        return socket

    def end(self, socket: ProviderSocket) -> None:
        """Close a connection behind the call's back: saying goodbye takes a way there and back."""
        if socket in self._open:
            self._open.discard(socket)
            task = asyncio.create_task(socket.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Close all. Never raises; takes little more than `close_seconds`."""
        for socket in tuple(self._open):
            self.end(socket)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _refusal(self, error: Exception) -> SpeechError:
        if isinstance(error, InvalidStatus):
            return self._provider.http_error(error.response.status_code, bytes(error.response.body or b""))
        if isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError | OSError):
            return self._provider.error(SpeechFault.UNAVAILABLE, "it closed while being connected to")
        if isinstance(error, InvalidHandshake) and not isinstance(error, InvalidProxy | ProxyError):
            return self._provider.error(SpeechFault.GARBLED, "no WebSocket")
        return self._provider.error(SpeechFault.UNAVAILABLE, no_connection(error))
