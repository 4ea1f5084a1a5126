"""How a turn detector decides; the defaults are those that `python -m bench.turns` measures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The limits of one detector. Frames are of 20 ms."""

    end_of_turn_seconds: float = 0.7
    """Silence that ends a turn."""
    prebuffer_seconds: float = 0.3
    """What the recogniser gets from before the first sound."""
    begin_frames: int = 3
    """Frames with speech, of `begin_window`, that begin a turn while the bot is silent."""
    begin_window: int = 5
    barge_in_frames: int = 4
    """Frames with speech, of `barge_in_window`, that begin one while the bot speaks."""
    barge_in_window: int = 10
    gate_decibels: float = 6.0
    """By how much a caller is louder than the bot's echo."""
