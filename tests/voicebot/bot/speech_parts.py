"""Speech for tests: a recogniser that returns what a test says, a synthesizer whose audio is as long as its text."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from dialplane.services.voicebot.speech.contract import (
    Expected,
    RealtimeEvent,
    RealtimeModel,
    RealtimeSession,
    RecognitionStream,
    Recognizer,
    SpeechError,
    SpeechFault,
    Synthesizer,
    Transcript,
)
from tests.voicebot import sounds

SECONDS_A_LETTER = 0.06


def spoken(text: str) -> bytes:
    """Return the audio of a text."""
    return sounds.pcm(sounds.voice(len(text) * SECONDS_A_LETTER, pitch=95))


@dataclass
class Understanding:
    """What a recogniser does with one answer."""

    text: str = ""
    confidence: float | None = None
    partials: dict[float, str] = field(default_factory=dict)
    """By seconds of audio."""
    fault: SpeechFault | None = None
    takes: float = 0.0
    """Seconds, at the end."""


class ScriptedStream:
    """Implements `RecognitionStream`."""

    def __init__(self, understanding: Understanding, on_partial: Callable[[Transcript], None]) -> None:
        self._understanding = understanding
        self._on_partial = on_partial
        self.audio = b""
        self.closed = False

    def write(self, audio: bytes) -> None:
        """See `RecognitionStream.write`."""
        before, self.audio = len(self.audio) / 32_000, self.audio + audio
        for seconds, text in self._understanding.partials.items():
            if before < seconds <= len(self.audio) / 32_000:
                self._on_partial(Transcript(text, final=False))

    async def finish(self) -> Transcript:
        """See `RecognitionStream.finish`."""
        await asyncio.sleep(self._understanding.takes)
        if self._understanding.fault is not None:
            raise SpeechError(self._understanding.fault, "the recogniser does not serve")
        return Transcript(self._understanding.text, self._understanding.confidence)

    async def close(self) -> None:
        """See `RecognitionStream.close`."""
        self.closed = True


class ScriptedRecognizer:
    """Implements `Recognizer`: the streams that hear anything are understood in the order of the script."""

    def __init__(self, *script: Understanding | str) -> None:
        self._script = [Understanding(each) if isinstance(each, str) else each for each in script]
        self.streams: list[ScriptedStream] = []
        self.expected: list[Expected] = []

    async def check(self) -> None:
        """See `Recognizer.check`."""

    async def open(
        self, expected: Expected, language: str, on_partial: Callable[[Transcript], None] = lambda _: None
    ) -> RecognitionStream:
        """See `Recognizer.open`."""
        del language
        used = sum(bool(stream.audio) for stream in self.streams)
        understanding = self._script[used] if used < len(self._script) else Understanding()
        self.expected.append(expected)
        self.streams.append(ScriptedStream(understanding, on_partial))
        return self.streams[-1]

    async def close(self) -> None:
        """See `Recognizer.close`."""


class LetterSynthesizer:
    """Implements `Synthesizer`."""

    identity = "letters"

    def __init__(self, *, slow: dict[str, float] | None = None, fault: SpeechFault | None = None) -> None:
        """Take so many seconds before the first audio of a text; fail with a fault."""
        self._slow = slow or {}
        self._fault = fault

    async def check(self) -> None:
        """See `Synthesizer.check`."""

    async def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        """See `Synthesizer.speak`."""
        del language
        await asyncio.sleep(self._slow.get(text, 0.0))
        if self._fault is not None:
            raise SpeechError(self._fault, "the synthesizer does not serve")
        audio = spoken(text)
        for at in range(0, len(audio), 5000):
            yield audio[at : at + 5000]

    async def close(self) -> None:
        """See `Synthesizer.close`."""


class ScriptedSession:
    """Implements `RealtimeSession`; a test puts what the model says."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[RealtimeEvent | SpeechError | None] = asyncio.Queue()
        self.frames: list[tuple[float, bytes]] = []
        self.was_heard: list[tuple[str, float]] = []
        self.closed = False

    def write(self, audio: bytes) -> None:
        """See `RealtimeSession.write`."""
        self.frames.append((asyncio.get_running_loop().time(), audio))

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        """See `RealtimeSession.events`."""
        while (event := await self.said.get()) is not None:
            if isinstance(event, SpeechError):
                raise event
            yield event

    async def heard(self, item: str, seconds: float) -> None:
        """See `RealtimeSession.heard`."""
        self.was_heard.append((item, seconds))

    async def close(self) -> None:
        """See `RealtimeSession.close`."""
        self.closed = True


class ScriptedModel:
    """Implements `RealtimeModel`."""

    def __init__(self, session: ScriptedSession) -> None:
        self._session = session
        self.greeting = ""

    async def check(self) -> None:
        """See `RealtimeModel.check`."""

    async def open(self, greeting: str) -> RealtimeSession:
        """See `RealtimeModel.open`."""
        self.greeting = greeting
        return self._session

    async def close(self) -> None:
        """See `RealtimeModel.close`."""


@dataclass
class Parts:
    """Implements `BotSpeech`."""

    recognizer: Recognizer | None = None
    synthesizer: Synthesizer | None = field(default_factory=LetterSynthesizer)
    realtime: RealtimeModel | None = None

    def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        """See `BotSpeech.speak`."""
        assert self.synthesizer is not None
        return self.synthesizer.speak(text, language)


def recognizer(*script: Understanding | str) -> ScriptedRecognizer:
    """Return a recogniser with a script."""
    return ScriptedRecognizer(*script)
