"""The audio of one call: a WebSocket to `chan_websocket`, whose channel this process has made by ARI.

Asterisk is the server: this process opens no port. It plays what it is sent at its own pace, so audio is sent as it is
made, up to 15 s ahead, and taken back by a FLUSH. aiohttp's client takes 33 µs of processor time a frame, that of
websockets 43.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SHUT_RDWR
from typing import Any, Final, Self

import aiohttp
import structlog

from dialplane.asterisk import media_protocol as protocol
from dialplane.asterisk.errors import MediaUnavailable
from dialplane.asterisk.media_events import MediaEvent, MediaFrame

log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 2.0
SEND_SECONDS: Final = 5.0
"""For one message; Asterisk reads at once unless it hangs."""
CLOSE_SECONDS: Final = 0.5
HEARTBEAT: Final = 10.0
"""Seconds between two pings: a connection that has died without a word is noticed after half as long again."""


class MediaSocket:
    """The audio of one caller. What is sent after its end is dropped in silence."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Use an open WebSocket; `connect` opens it."""
        self._socket = socket
        self._queue = protocol.PlayQueue()
        self._freshness = protocol.Freshness()
        self._changed = asyncio.Event()
        self._flushes = 0
        self._ended = False
        self.stale_frames = 0
        """Frames of the caller that were dropped because this process had been held up."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, base_url: str, connection_id: str, *, limit: float = CONNECT_SECONDS) -> AsyncIterator[Self]:
        """Open the audio of a channel.

        Args:
            base_url: Asterisk's HTTP server, such as `http://192.0.2.10:8088`.
            connection_id: the channel's `MEDIA_WEBSOCKET_CONNECTION_ID`, which is its key: it stands in no log.
            limit: seconds.

        Raises:
            MediaUnavailable: Asterisk does not let it in, or not in time.
        """
        async with aiohttp.ClientSession() as session:
            try:
                async with asyncio.timeout(limit):
                    socket = await session.ws_connect(
                        f"{base_url}/media/{connection_id}",
                        compress=0,
                        max_msg_size=0,
                        heartbeat=HEARTBEAT,
                        timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                    )
            except aiohttp.WSServerHandshakeError as error:
                raise MediaUnavailable(f"Asterisk refuses the media socket: {error.status}") from None
            except TimeoutError:
                raise MediaUnavailable(f"Asterisk's media socket is not open after {limit:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                raise MediaUnavailable(f"Asterisk's media socket is not open: {type(error).__name__}") from None
            media = cls(socket)
            try:
                yield media
            finally:
                media._end()
                await socket.close()

    @property
    def ended(self) -> bool:
        """Whether the channel is gone."""
        return self._ended or self._socket.closed

    @property
    def queued_seconds(self) -> float:
        """How long Asterisk has yet to play."""
        return self._queue.seconds(self._now())

    async def events(self) -> AsyncIterator[MediaEvent]:
        """Yield what comes, once; it ends when the channel is gone, whatever the cause."""
        async for message in self.messages():
            if isinstance(message, bytes):
                yield MediaFrame(message)
            elif (event := protocol.event_of(protocol.decode(message))) is not None:
                yield event

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Yield what comes as Asterisk sends it: 20 ms of audio, or the JSON of an event."""
        keeps, now = self._freshness.keeps, asyncio.get_running_loop().time
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                if keeps(now()):
                    yield message.data
                else:
                    self.stale_frames += 1
            elif message.type is aiohttp.WSMsgType.TEXT:
                self._heed(message.data)
                yield message.data
        self._end()

    async def play(self, audio: bytes) -> None:
        """Queue audio of any length, padded to whole frames; waits while too much is queued.

        What waits when `flush` is called is dropped. `events` is to be read meanwhile.
        """
        flushes = self._flushes
        for piece in protocol.pieces(audio):
            await self.room()
            if self.ended or flushes != self._flushes:
                return
            self._queue.add(piece, self._now())
            await self._send(self._socket.send_bytes(piece))

    async def send_audio(self, audio: bytes) -> None:
        """Send audio just as it is, for one who heeds Asterisk's own words about its queue."""
        for start in range(0, len(audio), protocol.LONGEST_MESSAGE):
            await self._send(self._socket.send_bytes(audio[start : start + protocol.LONGEST_MESSAGE]))

    async def mark(self, mark: str) -> None:
        """Queue a mark of up to 60 characters; `MediaMark` comes when all that was queued before has been played.

        Raises:
            ValueError: Asterisk would ignore it.
        """
        await self.send_text(protocol.mark(mark))

    async def flush(self) -> None:
        """Drop what is queued, audio and marks, at once."""
        self._flushes += 1
        self._queue.clear()
        self._changed.set()
        await self.send_text(protocol.FLUSH)

    async def room(self) -> None:
        """Wait until there is room for more audio; returns when the channel is gone, too."""
        while not self.ended and (wait := self._queue.wait(self._now())) != 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def report_drained(self) -> None:
        """Ask for a `MediaDrained` when nothing is left to be played."""
        await self.send_text(protocol.REPORT_DRAINED)

    async def hang_up(self) -> None:
        """End the media channel; the caller goes on in the dialplan."""
        await self.send_text(protocol.HANG_UP)

    async def send_text(self, text: str) -> None:
        """Send a command of up to 128 bytes."""
        await self._send(self._socket.send_str(text))

    def sever(self) -> None:
        """Cut the connection at once, from any thread: Asterisk ends the channel."""
        transport = self._socket.get_extra_info("socket")
        if transport is not None:
            with suppress(OSError):
                transport.shutdown(SHUT_RDWR)

    async def _send(self, sending: Any) -> None:
        if self.ended:
            sending.close()
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await sending
        except TimeoutError:
            log.warning("media socket cut", reason=f"Asterisk takes nothing for {SEND_SECONDS:g} s")
            self.sever()
        except (aiohttp.ClientError, OSError):
            self._end()

    def _heed(self, text: str) -> None:
        """Take what Asterisk says of its queue."""
        if '"MEDIA_XO' in text:
            self._queue.full = '"MEDIA_XOFF"' in text
            self._changed.set()

    def _end(self) -> None:
        self._ended = True
        self._changed.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
