"""What one caller says and presses, as it comes: turns with their audio, keys, marks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from dialplane.asterisk.media_events import MediaFrame, MediaKey, MediaMark
from dialplane.services.voicebot.bot.call_context import CallMedia
from dialplane.services.voicebot.bot.playout import Playout
from dialplane.services.voicebot.speech.contract import FRAME_SECONDS, SILENT_FRAME
from dialplane.services.voicebot.turns.detector import TurnDetector
from dialplane.services.voicebot.turns.events import SpeechBegan, SpeechEnded

LONGEST_TURN: Final = 30.0
"""Seconds of a turn whose audio is kept, for a recogniser that is not open yet, or that has to be opened once more."""
_MOST_FRAMES: Final = round(LONGEST_TURN / FRAME_SECONDS)
_GAP: Final = 0.1
"""Seconds without a frame after which the caller's telephone is silent: some send nothing then."""


@dataclass(eq=False, slots=True)
class CallerTurn:
    """One turn of the caller; its audio is kept, and goes to `sink` once there is one."""

    began_at: float
    """The first sound, by the loop's clock."""
    audio: list[bytes] = field(default_factory=list)
    sink: Callable[[bytes], None] | None = None
    ended_at: float | None = None
    """The last sound, once the turn is over."""

    @property
    def seconds(self) -> float:
        """From the first sound to the last one; 0 while it goes on."""
        return 0.0 if self.ended_at is None else max(self.ended_at - self.began_at, 0.0)

    def write(self, audio: bytes) -> None:
        """Take what the caller says."""
        if len(self.audio) < _MOST_FRAMES:
            self.audio.append(audio)
        if self.sink is not None:
            self.sink(audio)

    def attach(self, sink: Callable[[bytes], None]) -> None:
        """Give what was said, and what will be, to `sink`."""
        sink(b"".join(self.audio))
        self.sink = sink


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The caller speaks."""

    turn: CallerTurn


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The caller is silent again."""

    turn: CallerTurn


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller has pressed a key."""

    key: str


EarEvent = TurnBegan | TurnEnded | KeyPressed


class Recorder(Protocol):
    """Takes what both say, 20 ms at a time (`recording.CallRecording`). Never waits, never raises."""

    def write(self, caller: bytes, bot: bytes) -> None:
        """Take a frame of each."""


class Ear:
    """Listens to one caller; `run` does it."""

    def __init__(
        self, media: CallMedia, playout: Playout, detector: TurnDetector, on_event: Callable[[EarEvent], None]
    ) -> None:
        """Call `on_event` with what the caller does; it must not wait."""
        self._media = media
        self._playout = playout
        self._detector = detector
        self._on_event = on_event
        self._last_frame_at: float | None = None
        self.connected = asyncio.Event()
        """Set when the first frame has come: both sides are bridged."""
        self.turn: CallerTurn | None = None
        """The one that goes on."""
        self.recorder: Recorder | None = None
        self.on_frame: Callable[[bytes, bytes | None], None] | None = None
        """Gets each frame of the caller, and what the bot says in it."""

    async def run(self) -> None:
        """Listen until the channel is gone."""
        gaps = asyncio.create_task(self._fill_gaps())
        try:
            async for event in self._media.events():
                match event:
                    case MediaFrame(audio=audio):
                        self._last_frame_at = self._now()
                        self.connected.set()
                        self._hear(audio)
                    case MediaKey(digit=digit):
                        self._on_event(KeyPressed(digit))
                    case MediaMark(id=mark):
                        self._playout.on_mark(mark)
                    case _:
                        pass
        finally:
            gaps.cancel()
            await asyncio.wait([gaps])

    async def _fill_gaps(self) -> None:
        """Hear silence while no frames come."""
        while True:
            await asyncio.sleep(_GAP)
            now = self._now()
            if self._last_frame_at is None:
                self._last_frame_at = now
            if now - self._last_frame_at < _GAP:
                continue
            for _ in range(int((now - self._last_frame_at) / FRAME_SECONDS)):
                self._last_frame_at += FRAME_SECONDS
                self._hear(SILENT_FRAME)

    def _hear(self, frame: bytes) -> None:
        played = self._playout.at_ear()
        events = self._detector.hear(frame, played)
        if self.recorder is not None:
            self.recorder.write(frame, played or SILENT_FRAME)
        if self.turn is not None:
            self.turn.write(frame)
        for event in events:
            match event:
                case SpeechBegan(at=at, audio=audio):
                    self.turn = CallerTurn(self._moment(at), [audio])
                    self._on_event(TurnBegan(self.turn))
                case SpeechEnded(at=at) if self.turn is not None:
                    turn, self.turn = self.turn, None
                    turn.ended_at = self._moment(at)
                    self._on_event(TurnEnded(turn))
        if self.on_frame is not None:
            self.on_frame(frame, played)

    def _moment(self, at: float) -> float:
        """Return when something was in the audio, by the loop's clock."""
        return self._now() - (self._detector.seconds - at)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
