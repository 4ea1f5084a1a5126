"""How much of the bot's own voice comes back in the caller's audio: delay and gain, learned as the call goes on. Pure.

A frame is not cancelled, only compared: where it is not much louder than the echo that is to be expected, it is not
the caller's.
"""

from typing import Final

import numpy as np

from dialplane.services.voicebot.turns.spectrum import BANDS, NO_POWER, Bands

MOST_LAG: Final = 25
"""Frames: an echo comes back within half a second."""
_SPREAD: Final = 2
"""Frames on either side of the delay: a room's echo lasts, and a delay is no multiple of a frame."""
_FORGET: Final = 0.99
"""What a frame keeps of what was learned before: half of it after 1.4 s of speech."""
_AUDIBLE: Final = 300.0**2
"""Power of the bot's voice that says something about its echo."""
_FIRST_FRAMES: Final = 50
"""Audible ones, in which any echo is believed: afterwards one that is suddenly louder may be the caller."""
_SURPRISE: Final = 2.0
"""How much more than what was expected is believed then."""
_LOUDEST_GAIN: Final = 0.2
"""An echo is weaker by 7 dB at least: what is louder is the caller."""
_PRIOR_GAIN: Final = 0.04
"""An echo that is weaker by 14 dB: what is expected before anything was learned."""
_PRIOR_WEIGHT: Final = 1e12
"""How much of the bot's voice weighs as much as that expectation: about 0.1 s. Power, squared."""


class EchoPath:
    """Learns from frames in order, both sides of 20 ms."""

    def __init__(self) -> None:
        """Begin with what is expected of any telephone."""
        self._played = np.zeros((MOST_LAG + _SPREAD + 1, BANDS))
        """The newest first."""
        self._both = np.zeros((MOST_LAG + 1, BANDS))
        self._alone = np.zeros((MOST_LAG + 1, BANDS))
        self._learned = 0
        self._lag: int | None = None
        self._expected = NO_POWER

    @property
    def lag(self) -> int | None:
        """Frames that the echo needs; None until the bot has spoken."""
        return self._lag

    def expect(self, played: Bands) -> Bands:
        """Take what the caller hears in this frame, and return the power of its echo in the frame that came."""
        self._played[1:] = self._played[:-1]
        self._played[0] = played
        lag = self._lag
        around = self._played if lag is None else self._played[max(0, lag - _SPREAD) : lag + _SPREAD + 1]
        self._expected = around.max(axis=0) * self._gain()
        return self._expected

    def learn(self, heard: Bands) -> None:
        """Take what came in the frame that `expect` was asked for, without the noise of the line."""
        played = self._played[: MOST_LAG + 1]
        if played.sum(axis=1).max() < _AUDIBLE:
            return
        believed = np.minimum(heard, played.max(axis=0) * _LOUDEST_GAIN)
        if self._learned > _FIRST_FRAMES:
            believed = np.minimum(believed, self._expected * _SURPRISE)
        self._learned += 1
        self._both *= _FORGET
        self._both += played * believed
        self._alone *= _FORGET
        self._alone += played * played
        both, alone = self._both.sum(axis=1), self._alone.sum(axis=1)
        self._lag = int((both * both / (alone + _PRIOR_WEIGHT)).argmax())

    def _gain(self) -> Bands:
        if self._lag is None:
            return _PRIOR
        gain: Bands = (self._both[self._lag] + _PRIOR_GAIN * _PRIOR_WEIGHT) / (self._alone[self._lag] + _PRIOR_WEIGHT)
        return gain


_PRIOR: Final = np.full(BANDS, _PRIOR_GAIN)
