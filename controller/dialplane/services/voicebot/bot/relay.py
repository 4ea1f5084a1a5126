"""A bot that is another program: its WebSocket gets what Asterisk's media socket brings, and the other way round.

The program sees what it would see of `chan_websocket` itself. It may say `HANGUP`, which ends the call. When it goes
without a word, or cannot be reached, the caller goes to the fallback.
"""

import asyncio
from typing import Final

import aiohttp
from pydantic import SecretStr

from dialplane.asterisk import media_protocol as protocol
from dialplane.asterisk.media import MediaSocket
from dialplane.resources.voice_bot import ExternalEngine
from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.public_addresses import PrivateAddressRefused, connector
from dialplane.services.voicebot.tables.calls import CallOutcome

CONNECT_SECONDS: Final = 3.0
HEARTBEAT: Final = 3.0
"""Seconds between two pings: a program that hangs is noticed after half as long again; its caller hears nothing."""
LONGEST: Final = 1 << 20
"""Bytes of one message of the program."""
COMMANDS: Final = frozenset(
    {
        "START_MEDIA_BUFFERING",
        "STOP_MEDIA_BUFFERING",
        "MARK_MEDIA",
        "FLUSH_MEDIA",
        "REPORT_QUEUE_DRAINED",
        "GET_STATUS",
        "PAUSE_MEDIA",
        "CONTINUE_MEDIA",
    }
)
"""What a program may ask of Asterisk."""


class ExternalEngineError(Exception):
    """The program cannot be reached, or refuses. Its text is for people, and has no secrets."""


class ExternalCall:
    """One connection to the program."""

    def __init__(self, engine: ExternalEngine, bearer: SecretStr | None, headers: dict[str, str]) -> None:
        """Connect as the manifest says.

        Args:
            engine: the manifest's.
            bearer: the value of its Secret.
            headers: say which call it is.
        """
        self._engine = engine
        self._headers = dict(headers)
        if bearer is not None:
            self._headers["Authorization"] = f"Bearer {bearer.get_secret_value().strip()}"

    async def check(self) -> None:
        """Prove that the program takes connections.

        Raises:
            ExternalEngineError: it does not.
        """
        async with self._session() as session:
            await (await self._connect(session)).close()

    async def run(self, media: MediaSocket) -> Ended:
        """Relay both ways until one ends."""
        try:
            async with self._session() as session:
                socket = await self._connect(session)
                try:
                    return await self._relay(media, socket)
                finally:
                    await socket.close()
        except ExternalEngineError as error:
            return Ended("", CallOutcome.FALLBACK, str(error))

    def _session(self) -> aiohttp.ClientSession:
        try:
            usable = connector(self._engine.url, allow_private=self._engine.allow_private_address)
        except PrivateAddressRefused as error:
            raise ExternalEngineError(f"spec.engine.external.url: {error}") from None
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        return aiohttp.ClientSession(connector=usable, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[trace])

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await session.ws_connect(
                    self._engine.url,
                    headers=self._headers,
                    compress=0,
                    heartbeat=HEARTBEAT,
                    max_msg_size=LONGEST,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
                )
        except TimeoutError:
            raise ExternalEngineError(f"the program does not answer within {CONNECT_SECONDS:g} s") from None
        except aiohttp.WSServerHandshakeError as error:
            raise ExternalEngineError(f"the program refuses the call: HTTP {error.status}") from None
        except (aiohttp.ClientError, OSError) as error:
            cause = getattr(error, "os_error", error)
            why = str(cause) if isinstance(cause, PrivateAddressRefused) else type(error).__name__
            raise ExternalEngineError(f"the program cannot be reached: {why}") from None

    async def _relay(self, media: MediaSocket, socket: aiohttp.ClientWebSocketResponse) -> Ended:
        up = asyncio.create_task(_bring(media, socket))
        down = asyncio.create_task(_take(media, socket))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if media.ended:
                return Ended("", CallOutcome.HUNG_UP)
            if down.done() and not down.exception() and down.result():
                return Ended("hangup", CallOutcome.COMPLETED)
            return Ended("", CallOutcome.FALLBACK, "the program ended the connection without a HANGUP")
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)


async def _refuse_redirect(_: aiohttp.ClientSession, __: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    """Follow none: its address was not checked, and the caller's number would go along."""
    raise ExternalEngineError(f"the program refuses the call: HTTP {redirect.response.status}")


async def _bring(media: MediaSocket, socket: aiohttp.ClientWebSocketResponse) -> None:
    async for message in media.messages():
        if isinstance(message, bytes):
            await socket.send_bytes(message)
        else:
            await socket.send_str(message)


async def _take(media: MediaSocket, socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Return whether the program ended the call."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            await media.send_audio(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            command = protocol.decode(message.data).get("command")
            if command == "HANGUP":
                return True
            if command in COMMANDS and len(message.data) <= protocol.LONGEST_COMMAND:
                await media.send_text(message.data)
    return False
