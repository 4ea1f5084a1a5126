"""What the bot says to one caller: queued at Asterisk, stopped at once, and followed to the caller's ear.

Asterisk plays 20 ms each 20 ms from what it was sent. When each piece is at the caller's ear is known from the clock
since the first one, and set right by a mark each 200 ms.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from dialplane.services.voicebot.bot.call_context import CallMedia
from dialplane.services.voicebot.speech.contract import FRAME_BYTES, FRAME_SECONDS

_BLOCK: Final = 10 * FRAME_BYTES
"""Bytes between two marks."""
MOST_SECONDS: Final = 300.0
"""Of audio that waits; what is more is dropped: nobody listens for so long."""
_MOST_BLOCKS: Final = round(MOST_SECONDS / FRAME_SECONDS / 10)
_LATE: Final = 2.0
"""Seconds after which a mark that is due is no longer waited for."""


@dataclass(slots=True)
class _Spoken:
    """The frames of one utterance, by their number in the call."""

    first: int
    end: int
    began_at: float
    """When the first one was sent, by the loop's clock."""


class Playout:
    """Speaks to one caller; `run` does it."""

    def __init__(self, media: CallMedia) -> None:
        """Say nothing yet."""
        self._media = media
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._stops = 0
        self._rest = b""
        self._rest_item = ""
        self._there: deque[bytes] = deque()
        """Frames at Asterisk, the next one first."""
        self._sent = 0
        self._heard = 0
        self._next_at = 0.0
        """When the next frame of those at Asterisk is played, by the loop's clock."""
        self._spoken: dict[str, _Spoken] = {}
        self._changed = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def speaking(self) -> bool:
        """Whether anything is left that the caller has not heard."""
        return bool(self._waiting or self._rest or self._there)

    def add(self, audio: bytes, item: str) -> None:
        """Say some more of an utterance after all that was added before. Never waits.

        Args:
            audio: slin16 of any length.
            item: which utterance it belongs to, by a name that no other one of the call has.
        """
        if self._rest and item != self._rest_item:
            self.finish()
        audio = self._rest + audio
        whole = len(audio) // FRAME_BYTES * FRAME_BYTES
        self._rest, self._rest_item = audio[whole:], item
        self._queue(audio[:whole], item)

    def finish(self) -> None:
        """Say the last piece of an utterance, however short."""
        rest, self._rest = self._rest, b""
        if rest:
            self._queue(rest.ljust(FRAME_BYTES, b"\0"), self._rest_item)

    def _queue(self, audio: bytes, item: str) -> None:
        for start in range(0, len(audio), _BLOCK):
            if len(self._waiting) < _MOST_BLOCKS:
                self._waiting.append((item, audio[start : start + _BLOCK]))
        if self._waiting:
            self._quiet.clear()
            self._changed.set()

    async def run(self) -> None:
        """Send what is added, until cancelled."""
        while True:
            self._changed.clear()
            if not self._waiting:
                await self._changed.wait()
            stops = self._stops
            await self._media.room()
            if stops == self._stops and self._waiting:
                await self._send(*self._waiting.popleft())

    async def _send(self, item: str, block: bytes) -> None:
        now = self._now()
        self._pass_on(now)
        if not self._there:
            self._next_at = now
        spoken = self._spoken.setdefault(item, _Spoken(self._sent, self._sent, now))
        self._there.extend(block[at : at + FRAME_BYTES] for at in range(0, len(block), FRAME_BYTES))
        self._sent += len(block) // FRAME_BYTES
        spoken.end = self._sent
        mark, stops = f"{self._stops}.{self._sent}", self._stops
        await self._media.play(block)
        if stops == self._stops:
            await self._media.mark(mark)

    def on_mark(self, mark: str) -> None:
        """Take that the caller has heard all that was sent before a mark."""
        stops, _, number = mark.partition(".")
        if stops != str(self._stops) or not number.isdecimal():
            return
        ahead = int(number) - self._heard
        if ahead > 0:
            self._leave(ahead)
        self._next_at = self._now() - min(ahead, 0) * FRAME_SECONDS
        if int(number) == self._sent and not self._waiting and not self._rest:
            self._quiet.set()

    def at_ear(self) -> bytes | None:
        """Return what the caller hears now, 20 ms; None while the bot is silent."""
        self._pass_on(self._now())
        return self._there[0] if self._there else None

    def heard(self, item: str) -> float:
        """Return how much of an utterance the caller has heard, in seconds."""
        self._pass_on(self._now())
        spoken = self._spoken.get(item)
        return 0.0 if spoken is None else max(0, min(self._heard, spoken.end) - spoken.first) * FRAME_SECONDS

    def began_at(self, item: str) -> float | None:
        """Return when the first audio of an utterance was sent, by the loop's clock; None where none was."""
        spoken = self._spoken.get(item)
        return spoken.began_at if spoken else None

    def item_at_ear(self) -> str | None:
        """Return the utterance that the caller hears now; None while the bot is silent."""
        if not self._there:
            return None
        now = self._sent - len(self._there)
        return next((item for item, spoken in self._spoken.items() if spoken.first <= now < spoken.end), None)

    def forget(self, item: str) -> None:
        """Forget an utterance that is over."""
        self._spoken.pop(item, None)

    async def drained(self) -> None:
        """Wait until the caller has heard all; where Asterisk says nothing, until that must be."""
        while not self._quiet.is_set():
            seconds = sum(len(block) for _, block in self._waiting) / FRAME_BYTES * FRAME_SECONDS
            due = self._next_at + len(self._there) * FRAME_SECONDS - self._now()
            try:
                async with asyncio.timeout(max(seconds + due, 0) + _LATE):
                    await self._quiet.wait()
            except TimeoutError:
                self._pass_on(self._now())
                if not self.speaking:
                    self._quiet.set()

    async def stop(self) -> None:
        """Fall silent at once; what was heard stays known."""
        self._pass_on(self._now())
        self._stops += 1
        self._waiting.clear()
        self._rest = b""
        self._there.clear()
        self._sent = self._heard
        for spoken in self._spoken.values():
            spoken.first, spoken.end = min(spoken.first, self._heard), min(spoken.end, self._heard)
        self._quiet.set()
        await self._media.flush()

    def _pass_on(self, now: float) -> None:
        """Take the clock's word for what was heard since the last mark."""
        frames = int((now - self._next_at) / FRAME_SECONDS)
        if self._there and frames > 0:
            frames = min(frames, len(self._there))
            self._leave(frames)
            self._next_at += frames * FRAME_SECONDS

    def _leave(self, frames: int) -> None:
        for _ in range(frames):
            self._there.popleft()
        self._heard = self._sent - len(self._there)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
