"""A caller and the line to them, as Asterisk is to a call: 20 ms in, 20 ms out, marks, a queue that can be dropped."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from dialplane.asterisk.media_events import MediaEvent, MediaFrame, MediaKey, MediaMark
from tests.voicebot import sounds
from tests.voicebot.sounds import Samples

FRAME = 0.02
_SILENT = bytes(640)
_ROOM = 750
"""Frames of a queue: 15 s."""


class Line:
    """Implements `CallMedia`; its clock is the loop's."""

    def __init__(self, *, echo_decibels: float | None = None, echo_frames: int = 5) -> None:
        """Return what is played so much weaker, so many frames later."""
        self._queue: deque[bytes | str] = deque()
        self._events: asyncio.Queue[MediaEvent | None] = asyncio.Queue()
        self._speech: deque[bytes] = deque()
        self._echo = deque([_SILENT] * echo_frames)
        self._gain = None if echo_decibels is None else echo_decibels
        self.heard: list[tuple[float, bytes]] = []
        """What came to the caller's ear: when, and 20 ms."""
        self.hung_up = False

    @property
    def is_speaking(self) -> bool:
        """Whether anything is queued for the caller's ear."""
        return bool(self._queue)

    def speak(self, sound: Samples) -> None:
        """Have the caller say something, from now on."""
        self._speech.extend(sounds.frames(sound))

    def press(self, keys: str) -> None:
        """Have the caller press keys."""
        for key in keys:
            self._events.put_nowait(MediaKey(key))

    def hang_up_caller(self) -> None:
        """Have the caller hang up."""
        self._events.put_nowait(None)

    async def run(self) -> None:
        """Carry audio both ways, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += FRAME
            await asyncio.sleep(max(due - loop.time(), 0))
            self._tick(loop.time())

    def _tick(self, now: float) -> None:
        while self._queue and isinstance(self._queue[0], str):
            self._events.put_nowait(MediaMark(str(self._queue.popleft())))
        played = self._queue.popleft() if self._queue else None
        if isinstance(played, bytes):
            self.heard.append((now, played))
        frame = self._speech.popleft() if self._speech else _SILENT
        self._echo.append(played if isinstance(played, bytes) else _SILENT)
        echo = self._echo.popleft()
        if self._gain is not None and any(echo):
            frame = sounds.pcm(sounds.samples(frame) + sounds.quieter(sounds.samples(echo), self._gain))
        self._events.put_nowait(MediaFrame(frame))

    async def events(self) -> AsyncIterator[MediaEvent]:
        """See `CallMedia.events`."""
        while (event := await self._events.get()) is not None:
            yield event

    async def play(self, audio: bytes) -> None:
        """See `CallMedia.play`."""
        self._queue.extend(audio[at : at + 640].ljust(640, b"\0") for at in range(0, len(audio), 640))

    async def mark(self, mark: str) -> None:
        """See `CallMedia.mark`."""
        assert len(mark) <= 60
        self._queue.append(mark)

    async def flush(self) -> None:
        """See `CallMedia.flush`."""
        self._queue.clear()

    async def room(self) -> None:
        """See `CallMedia.room`."""
        while len(self._queue) > _ROOM:
            await asyncio.sleep(FRAME)

    async def hang_up(self) -> None:
        """See `CallMedia.hang_up`."""
        self.hung_up = True
