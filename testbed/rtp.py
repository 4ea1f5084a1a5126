"""One RTP port: sends a tone at its proper pace, counts and hears what arrives (RFC 3550, RFC 3551)."""

import asyncio
import secrets
import struct
from collections import deque
from contextlib import suppress

from testbed.audio import PACKET_SAMPLES, RATE, heard_hz, tone

_HEADER = struct.Struct("!BBHII")
_VERSION_2 = 0x80
_SECONDS_PER_PACKET = PACKET_SAMPLES / RATE
_HEARD_PACKETS = RATE // PACKET_SAMPLES
_LOUD = 0x60
"""Of µ-law without its sign, what is below is louder than comfort noise."""
_PAUSE_SECONDS = 0.1
_EVENT = struct.Struct("!BBH")
_KEYS = "0123456789*#ABCD"
_KEY_PAYLOAD = 101
_KEY_PACKETS = 5
"""Of 20 ms, while a key is down; the last one comes three times."""


class RtpPort(asyncio.DatagramProtocol):
    """A bound UDP port of one call.

    Attributes:
        sent: RTP packets sent.
        received: RTP packets received, of whatever payload type.
        gaps: seconds between the packets of audio that arrived, and the ones before.
        last_loud: when the last packet that was not silent came, by the loop's clock.
        loud_since: when the first of those came behind which there was none silent.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.port = 0
        self._last: deque[bytes] = deque(maxlen=_HEARD_PACKETS)
        self.gaps: list[float] = []
        self.last_loud = self.loud_since = self._arrived = 0.0
        self._keys: deque[bytes] = deque()
        self._speech: deque[bytes] = deque()
        self._transport: asyncio.DatagramTransport | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, host: str, port: int) -> "RtpPort":
        """Bind; ``port`` must be ours by a lease."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(cls, local_addr=(host, port))
        protocol.attach(transport, port)
        return protocol

    def attach(self, transport: asyncio.DatagramTransport, port: int) -> None:
        """Take the bound socket over."""
        self._transport, self.port = transport, port

    def send_tone(self, target: tuple[str, int], hz: int) -> None:
        """Send ``hz`` to ``target`` until :meth:`close`; a second call changes both."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._send(target, hz))

    def press(self, key: str) -> None:
        """Press a key while a tone is sent, in whose place its event goes (RFC 4733)."""
        code, volume, end = _KEYS.index(key), 10, 0x80
        for packet in range(1, _KEY_PACKETS + 1):
            self._keys.append(_EVENT.pack(code, volume, packet * PACKET_SAMPLES))
        self._keys.extend([_EVENT.pack(code, end | volume, _KEY_PACKETS * PACKET_SAMPLES)] * 3)

    def say(self, ulaw: bytes) -> None:
        """Say this in place of the tone, after what is being said."""
        starts = range(0, len(ulaw), PACKET_SAMPLES)
        self._speech.extend(ulaw[start : start + PACKET_SAMPLES].ljust(PACKET_SAMPLES, b"\xff") for start in starts)

    @property
    def speaks(self) -> bool:
        """Whether something is being said."""
        return bool(self._speech)

    def heard_hz(self) -> int | None:
        """The pitch of the last second that arrived, in Hz; None for silence."""
        return heard_hz(b"".join(self._last))

    async def close(self) -> None:
        """Stop sending and close the port; the counters stay."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 -- asyncio's signature
        """Count one packet."""
        if len(data) > _HEADER.size and data[0] & 0xC0 == _VERSION_2:
            self.received += 1
            if data[1] & 0x7F == 0:
                self._hear(data[_HEADER.size :])

    def _hear(self, audio: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if self._arrived:
            self.gaps.append(now - self._arrived)
        self._arrived = now
        self._last.append(audio)
        if min(code & 0x7F for code in audio) < _LOUD:
            if now - self.last_loud > _PAUSE_SECONDS:
                self.loud_since = now
            self.last_loud = now

    async def _send(self, target: tuple[str, int], hz: int) -> None:
        loop = asyncio.get_running_loop()
        samples, source = tone(hz), secrets.randbits(32)
        sequence, due, began = secrets.randbits(15), loop.time(), 0
        while self._transport is not None and not self._transport.is_closing():
            position = self.sent * PACKET_SAMPLES
            start = position % RATE
            payload, stamp, data = 0, position, samples[start : start + PACKET_SAMPLES]
            if self._keys:  # an event has the time at which it began
                began, payload, data = began or position, _KEY_PAYLOAD, self._keys.popleft()
                stamp = began
            elif self._speech:
                began, data = 0, self._speech.popleft()
            else:
                began = 0
            head = _HEADER.pack(_VERSION_2, payload, sequence + self.sent & 0xFFFF, stamp & 0xFFFFFFFF, source)
            self._transport.sendto(head + data, target)
            self.sent += 1
            due += _SECONDS_PER_PACKET
            await asyncio.sleep(max(0.0, due - loop.time()))
