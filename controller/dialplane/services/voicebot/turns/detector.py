"""Who speaks: finds where a caller begins and ends, also while the bot speaks and its echo comes back.

A frame is the caller's where WebRTC's voice activity detection takes it for speech, and it is louder than the noise of
the line and than the echo of what the bot says. So many of those begin a turn. Once it has begun, a lenient second
detector is asked, too, so that no weak end of a word ends it; so much silence does.
"""

from collections import deque
from typing import Final

import numpy as np
import webrtcvad

from dialplane.services.voicebot.speech.contract import FRAME_SECONDS, RATE
from dialplane.services.voicebot.turns.echo import EchoPath
from dialplane.services.voicebot.turns.events import SpeechBegan, SpeechEnded, TurnEvent
from dialplane.services.voicebot.turns.noise import NoiseFloor
from dialplane.services.voicebot.turns.settings import TurnSettings
from dialplane.services.voicebot.turns.spectrum import BANDS, NO_POWER, power_of

_STRICT: Final = 3
_LENIENT: Final = 1
_USUAL: Final = TurnSettings()


class TurnDetector:
    """Listens to one call; takes 0.06 ms of processor time a frame."""

    def __init__(self, settings: TurnSettings = _USUAL) -> None:
        """Begin in silence."""
        self.end_of_turn_seconds = settings.end_of_turn_seconds
        """Silence that ends the turn; may be changed at any time."""
        self._settings = settings
        self._strict = webrtcvad.Vad(_STRICT)
        self._lenient = webrtcvad.Vad(_LENIENT)
        self._echo = EchoPath()
        self._noise = NoiseFloor()
        self._gate = 10 ** (settings.gate_decibels / 10)
        self._frames = 0
        self._last_sound = 0
        self._speaking = False
        window = max(settings.begin_window, settings.barge_in_window)
        self._before = round(settings.prebuffer_seconds / FRAME_SECONDS)
        self._voiced: deque[bool] = deque(maxlen=window)
        self._kept: deque[bytes] = deque(maxlen=self._before + window)

    @property
    def speaking(self) -> bool:
        """Whether the caller's turn has begun and not ended."""
        return self._speaking

    @property
    def seconds(self) -> float:
        """The audio that was heard since the call began."""
        return self._frames * FRAME_SECONDS

    def hear(self, frame: bytes, played: bytes | None) -> list[TurnEvent]:
        """Take 20 ms of the caller's audio, and return what that means.

        Args:
            frame: 640 bytes of slin16.
            played: what the caller's ear gets in these 20 ms; None while the bot is silent.
        """
        self._frames += 1
        self._kept.append(frame)
        power = power_of(frame)
        echo = self._echo.expect(NO_POWER if played is None else power_of(played))
        self._noise.follow(power)
        audible = float(power.sum()) > max(self._noise.speech_power, self._gate * float(echo.sum()))
        # What is not audible is kept from it: it would learn the noise and the echo, and then hear a caller later.
        voiced = audible and self._strict.is_speech(frame, RATE)
        self._voiced.append(voiced)
        if self._speaking:
            return self._go_on(speech=voiced or (audible and self._lenient.is_speech(frame, RATE)))
        self._echo.learn(np.maximum(power - self._noise.power / BANDS, 0))
        return self._wait(bot_speaks=bool(echo.any()))

    def _wait(self, *, bot_speaks: bool) -> list[TurnEvent]:
        settings = self._settings
        frames, window = settings.begin_frames, settings.begin_window
        if bot_speaks:
            frames, window = settings.barge_in_frames, settings.barge_in_window
        recent = list(self._voiced)[-window:]
        if sum(recent) < frames:
            return []
        self._speaking = True
        self._last_sound = self._frames
        first = len(recent) - recent.index(True)
        audio = b"".join(list(self._kept)[-(self._before + first) :])
        return [SpeechBegan((self._frames - first) * FRAME_SECONDS, audio)]

    def _go_on(self, *, speech: bool) -> list[TurnEvent]:
        if speech:
            self._last_sound = self._frames
        if (self._frames - self._last_sound) * FRAME_SECONDS < self.end_of_turn_seconds - FRAME_SECONDS / 2:
            return []
        self._speaking = False
        self._voiced.clear()
        return [SpeechEnded(self._last_sound * FRAME_SECONDS)]
