"""The power of a frame in a few bands of what a telephone carries. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dialplane.services.voicebot.speech.contract import FRAME_BYTES, RATE

Bands = NDArray[np.float64]
"""Mean power of each band, of samples of 16 bit."""

_SAMPLES: Final = FRAME_BYTES // 2
_EDGES: Final = (300, 500, 700, 1000, 1350, 1800, 2400, 3400)
"""Hertz: about as wide as a word's formants are apart, the outer ones what every telephone carries."""
BANDS: Final = len(_EDGES) - 1
_BINS: Final = np.array([edge * _SAMPLES // RATE for edge in _EDGES])
_FIRST: Final = int(_BINS[0])
_LAST: Final = int(_BINS[-1])
_STARTS: Final = _BINS[:-1] - _FIRST
_WINDOW: Final = np.hanning(_SAMPLES)
_SCALE: Final = 2.0 / (_SAMPLES * float(np.sum(_WINDOW**2)))
NO_POWER: Final = np.zeros(BANDS)


def power_of(frame: bytes) -> Bands:
    """Return the power of a frame of 640 bytes in each band."""
    spectrum = np.fft.rfft(np.frombuffer(frame, "<i2") * _WINDOW)[_FIRST:_LAST]
    power: Bands = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, _STARTS) * _SCALE
    return power
