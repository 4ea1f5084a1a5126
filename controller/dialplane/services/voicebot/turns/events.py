"""What a turn detector finds in the caller's audio. Times are seconds of audio since the call began."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The caller speaks. While the bot speaks this is a barge-in."""

    at: float
    """When the first sound was."""
    audio: bytes
    """What was heard from a little before that on: the recogniser needs it."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The caller has been silent for as long as ends the turn."""

    at: float
    """When the last sound was."""


TurnEvent = SpeechBegan | SpeechEnded
