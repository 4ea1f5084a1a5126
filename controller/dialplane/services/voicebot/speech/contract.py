"""What a call knows of speech: audio in and words out, words in and audio out, or a model that does both.

All audio is PCM of 16 bit, little-endian, one channel, 16,000 samples a second (`slin16`), in frames of 20 ms.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

RATE: Final = 16_000
"""Samples a second."""
FRAME_SECONDS: Final = 0.02
FRAME_BYTES: Final = 640
SILENT_FRAME: Final = bytes(FRAME_BYTES)


class SpeechFault(StrEnum):
    """Why a provider does not serve."""

    REFUSED = "refused"
    """It does not know the key."""
    QUOTA = "quota"
    """It is used up, or asked too often."""
    UNAVAILABLE = "unavailable"
    """It cannot be reached, or has closed."""
    TIMEOUT = "timeout"
    """It did not answer in time."""
    GARBLED = "garbled"
    """What it sends is not its protocol."""
    BUSY = "busy"
    """Too much is asked of this machine."""
    UNSUPPORTED = "unsupported"
    """It has no such language, voice or model."""


class SpeechError(Exception):
    """A provider does not serve. Its text is for people, and has no secrets."""

    def __init__(self, fault: SpeechFault, message: str) -> None:
        """Name the fault, and say in a sentence what happened and what helps."""
        super().__init__(message)
        self.fault = fault


class Grammar(StrEnum):
    """What sort of answer is expected."""

    WORDS = "words"
    DIGITS = "digits"
    YES_NO = "yesNo"
    DATE = "date"
    CHOICES = "choices"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a caller may answer."""

    grammar: Grammar
    phrases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For `choices` and `yesNo`: what is said for each value."""
    min_digits: int = 1
    max_digits: int = 32


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a caller said."""

    text: str
    """As it was said; empty: nothing that could be understood."""
    confidence: float | None = None
    """0 to 1, where the provider says."""
    final: bool = True


class RecognitionStream(Protocol):
    """One answer of a caller, as it is heard."""

    def write(self, audio: bytes) -> None:
        """Take some audio. Never waits; what a provider cannot take in time is its fault, not the call's."""

    async def finish(self) -> Transcript:
        """End the answer, and return what was said.

        Raises:
            SpeechError: the provider does not serve, or not in time.
        """

    async def close(self) -> None:
        """Drop it. Never raises."""


class Recognizer(Protocol):
    """What understands callers of one bot."""

    async def check(self) -> None:
        """Prove that it serves: the key is right, the model is there.

        Raises:
            SpeechError: it does not.
        """

    async def open(
        self, expected: Expected, language: str, on_partial: Callable[[Transcript], None] = lambda _: None
    ) -> RecognitionStream:
        """Begin an answer; `on_partial` hears what was understood so far.

        Raises:
            SpeechError: the provider does not serve, or not in time.
        """

    async def close(self) -> None:
        """End all that is open. Never raises."""


class Synthesizer(Protocol):
    """What speaks for one bot."""

    @property
    def identity(self) -> str:
        """Names provider, model and voice: the same text under the same identity is the same audio."""

    async def check(self) -> None:
        """Prove that it serves.

        Raises:
            SpeechError: it does not.
        """

    def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        """Yield the audio of a text as it comes, in pieces of any length. The iterator is closed at a barge-in.

        Raises:
            SpeechError: the provider does not serve, or not in time.
        """

    async def close(self) -> None:
        """End all that is open. Never raises."""


@dataclass(frozen=True, slots=True)
class ModelSpoke:
    """Audio of the model."""

    audio: bytes
    item: str
    """Which of its utterances it belongs to."""


@dataclass(frozen=True, slots=True)
class CallerBegan:
    """The model has heard the caller begin: what it said is to stop at once."""


@dataclass(frozen=True, slots=True)
class SaidText:
    """What was said, for the transcript."""

    speaker: str
    """`caller` or `bot`."""
    text: str


@dataclass(frozen=True, slots=True)
class ModelTurnEnded:
    """The model has said all that it says for now."""


@dataclass(frozen=True, slots=True)
class ModelChose:
    """The model calls for one of its named transfers, or `hangup`."""

    name: str


RealtimeEvent = ModelSpoke | CallerBegan | SaidText | ModelTurnEnded | ModelChose


class RealtimeSession(Protocol):
    """A model that hears and speaks by itself, in one call."""

    def write(self, audio: bytes) -> None:
        """Take what the caller says. Never waits."""

    def events(self) -> AsyncIterator[RealtimeEvent]:
        """Yield what it says and does.

        Raises:
            SpeechError: the provider does not serve.
        """

    async def heard(self, item: str, seconds: float) -> None:
        """Say how much of an utterance the caller heard before it was interrupted."""

    async def close(self) -> None:
        """End it. Never raises."""


class RealtimeModel(Protocol):
    """What opens sessions for one bot."""

    async def check(self) -> None:
        """Prove that it serves.

        Raises:
            SpeechError: it does not.
        """

    async def open(self, greeting: str) -> RealtimeSession:
        """Begin a call; the model says the greeting first.

        Raises:
            SpeechError: the provider does not serve, or not in time.
        """

    async def close(self) -> None:
        """End all that is open. Never raises."""
