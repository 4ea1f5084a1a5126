"""Between the 24,000 samples a second of speech models and the 16,000 of a call, as the audio comes.

soxr's high quality costs 8 µs for 20 ms of audio, and 0.15 ms for a second: it may run in the event loop. It delays
audio by 12 ms.
"""

from typing import Final

import numpy as np
import soxr

from dialplane.services.voicebot.speech.contract import RATE

MODEL_RATE: Final = 24_000
"""Samples a second of OpenAI's and Doubao's audio."""


class Resampler:
    """One stream of 16-bit PCM, in one direction."""

    def __init__(self, source: int, target: int) -> None:
        """Turn so many samples a second into so many."""
        self._stream = soxr.ResampleStream(source, target, 1, dtype="int16", quality="HQ")
        self._half = b""

    @classmethod
    def to_model(cls) -> "Resampler":
        """Return one for what a caller says."""
        return cls(RATE, MODEL_RATE)

    @classmethod
    def from_model(cls) -> "Resampler":
        """Return one for what a model says."""
        return cls(MODEL_RATE, RATE)

    def resample(self, audio: bytes, *, last: bool = False) -> bytes:
        """Return what there is by now; `last` ends the stream, and nothing may follow."""
        samples = self._half + audio
        whole = len(samples) & ~1
        self._half = samples[whole:]
        resampled: bytes = self._stream.resample_chunk(np.frombuffer(samples[:whole], np.int16), last=last).tobytes()
        return resampled
