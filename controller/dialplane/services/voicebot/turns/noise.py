"""The noise of a line, followed as it changes: the least power of the last two seconds. Pure."""

from collections import deque
from math import inf
from typing import Final

from dialplane.services.voicebot.turns.spectrum import Bands

_SILENCE: Final = 60.0**2
"""Power that is silence on any line."""
_SMOOTH: Final = 0.4
"""What a frame adds to the mean."""
_BIAS: Final = 1.3
"""The mean of a noise over the least of its smoothed power."""
_BLOCK: Final = 25
"""Frames."""
_BLOCKS: Final = 4
_LOUDER: Final = 4.0
"""Speech is louder than the noise by 6 dB."""


class NoiseFloor:
    """Follows one line."""

    def __init__(self) -> None:
        """Know nothing of the line."""
        self._mean: float | None = None
        self._frames = 0
        self._least = deque([inf], maxlen=_BLOCKS)
        """Of each block, the last one unfinished."""

    def follow(self, power: Bands) -> None:
        """Take the power of a frame."""
        total = float(power.sum())
        self._mean = total if self._mean is None else self._mean + _SMOOTH * (total - self._mean)
        self._frames += 1
        if self._frames % _BLOCK == 0:
            self._least.append(inf)
        self._least[-1] = min(self._least[-1], self._mean)

    @property
    def power(self) -> float:
        """The power of the noise, of all bands; some silence before the first frame."""
        least = min(self._least)
        return _SILENCE if least == inf else max(least * _BIAS, _SILENCE)

    @property
    def speech_power(self) -> float:
        """The power that speech has at least."""
        return self.power * _LOUDER
