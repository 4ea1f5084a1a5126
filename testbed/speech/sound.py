"""Tones that stand for speech, and whether somebody is loud. All audio is PCM of 16 bit, one channel."""

import math
from array import array
from functools import cache
from itertools import islice

_LOUD = 500
LETTER_SECONDS = 0.05


@cache
def tone(hz: int, rate: int) -> bytes:
    """One second of a tone."""
    return array("h", (round(8000 * math.sin(2 * math.pi * hz * n / rate)) for n in range(rate))).tobytes()


def speech(text: str, rate: int, hz: int = 440) -> bytes:
    """What stands for a spoken text: a tone of 50 ms a letter."""
    size = int(len(text) * LETTER_SECONDS * rate) * 2
    second = tone(hz, rate)
    return (second * (size // len(second) + 1))[:size]


def is_loud(audio: bytes) -> bool:
    """Whether somebody speaks in it."""
    return any(abs(sample) > _LOUD for sample in islice(array("h", audio[: len(audio) & ~1]), 0, None, 4))


class Ear:
    """Hears when a caller begins, and when they have been silent for so long."""

    def __init__(self, rate: int, silence_seconds: float) -> None:
        self._rate, self._silence = rate, silence_seconds
        self._quiet = 0.0
        self.speaking = False
        self.loud_seconds = 0.0

    def hear(self, audio: bytes) -> str:
        """Return ``began``, ``ended`` or nothing."""
        seconds = len(audio) / 2 / self._rate
        if is_loud(audio):
            self._quiet = 0.0
            self.loud_seconds += seconds
            if not self.speaking:
                self.speaking = True
                return "began"
        elif self.speaking:
            self._quiet += seconds
            if self._quiet >= self._silence:
                self.speaking, self.loud_seconds = False, 0.0
                return "ended"
        return ""
