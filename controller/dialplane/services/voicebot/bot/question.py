"""One question of a dialogue: says what there is to say, and takes the caller's answer, in words or with keys.

The caller may answer while the bot speaks, which then falls silent at once. Every question ends: by an answer, by
silence, or by an error.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dialplane.services.voicebot.bot.ear import CallerTurn, Ear, EarEvent, KeyPressed, TurnBegan, TurnEnded
from dialplane.services.voicebot.bot.transcript import AnswerTimes, Transcript
from dialplane.services.voicebot.bot.voice import Voice
from dialplane.services.voicebot.dialogue.steps import Answered, Listen, Pressed, Silence, Utterance
from dialplane.services.voicebot.speech.contract import RecognitionStream, Recognizer, SpeechError, SpeechFault
from dialplane.services.voicebot.speech.contract import Transcript as Words
from dialplane.services.voicebot.turns.detector import TurnDetector

COMPLETE_SECONDS: Final = 0.3
"""Silence that ends an answer that is complete."""
NEXT_KEY_SECONDS: Final = 2.5
"""After so long without a further key the keys are an answer."""
OPEN_SECONDS: Final = 5.0
"""For a recogniser to begin."""
UNDERSTAND_SECONDS: Final = 8.0
"""For a recogniser to return what it has heard."""
MOST_ANSWER_SECONDS: Final = 25.0
"""An answer that takes longer is taken as it is: it may be music."""
NOISE_SECONDS: Final = 0.5
"""Of a turn without words that was no answer, but a cough or a noise."""
MOST_NOISES: Final = 3
"""Turns that are taken for noise, in one question."""
RESUME_SECONDS: Final = 1.0
"""What is said once more of an utterance that a noise has interrupted."""


class RecognitionFailed(Exception):
    """The recogniser does not serve."""

    def __init__(self, error: SpeechError) -> None:
        """Keep what it says."""
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class _BotDone:
    """The bot has said all."""


@dataclass(frozen=True, slots=True)
class _StreamOpen:
    """The recogniser listens, or does not."""


_Event = EarEvent | Words | _BotDone | _StreamOpen


class Question:
    """Asks one thing; made for each."""

    def __init__(
        self,
        listen: Listen,
        say: Sequence[Utterance],
        *,
        language: str,
        recognizer: Recognizer | None,
        is_complete: Callable[[str], bool],
        ear: Ear,
        detector: TurnDetector,
        voice: Voice,
        transcript: Transcript,
        keys: str = "",
    ) -> None:
        """Ask in `language`; `keys` were pressed before."""
        self._listen = listen
        self._say = list(say)
        self._language = language
        self._recognizer = recognizer
        self._is_complete = is_complete
        self._ear = ear
        self._detector = detector
        self._voice = voice
        self._transcript = transcript
        self._keys = ""
        self._inbox: asyncio.Queue[_Event] = asyncio.Queue()
        for key in keys:
            self._inbox.put_nowait(KeyPressed(key))
        self._speaking: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[RecognitionStream] | None = None
        self._turn: CallerTurn | None = None
        self._deadline: float | None = None
        self._skip = 0.0
        self._noises = 0

    def on_event(self, event: EarEvent) -> None:
        """Take what the caller does."""
        self._inbox.put_nowait(event)

    def keys_ahead(self) -> str:
        """Return the keys that were pressed after those that are the answer."""
        keys = ""
        while not self._inbox.empty():
            event = self._inbox.get_nowait()
            keys += event.key if isinstance(event, KeyPressed) else ""
        return keys

    async def ask(self) -> Answered | Pressed | Silence:
        """Return the answer.

        Raises:
            SpeechError: the synthesizer does not serve.
            RecognitionFailed: the recogniser does not serve.
        """
        self._detector.end_of_turn_seconds = self._listen.end_of_turn_seconds
        self._open()
        self._speak()
        try:
            if self._ear.turn is not None:
                await self._hold(self._ear.turn)
            while True:
                if self._keys and self._may_interrupt() and self._listen.keys.are_done(self._keys):
                    return await self._press()
                event = await self._next()
                answer = await (self._on_silence() if event is None else self._on(event))
                if answer is not None:
                    return answer
        finally:
            await self._fall_silent()
            await self._close()

    async def _next(self) -> _Event | None:
        """Return what happens next; None when the time for it is over."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._inbox.get()
        except TimeoutError:
            return None

    async def _on(self, event: _Event) -> Answered | Pressed | None:
        match event:
            case _BotDone():
                if self._speaking is not None and self._speaking.done():
                    self._speaking.result()
                    self._speaking = None
                    self._wait_for_answer()
                    if self._turn is not None:
                        await self._begin(self._turn)
            case _StreamOpen():
                self._attach()
            case TurnBegan(turn=turn):
                await self._begin(turn)
            case TurnEnded(turn=turn) if turn is self._turn:
                return await self._end(turn)
            case KeyPressed(key=key) if self._listen.dtmf:
                self._keys += key
                self._turn = None
                if self._may_interrupt():
                    await self._interrupt()
                    self._wait(NEXT_KEY_SECONDS)
            case Words(text=text) if self._turn is not None:
                complete = bool(text) and self._is_complete(text)
                usual = self._listen.end_of_turn_seconds
                self._detector.end_of_turn_seconds = min(COMPLETE_SECONDS, usual) if complete else usual
        return None

    async def _on_silence(self) -> Answered | Pressed | Silence | None:
        if self._keys:
            return await self._press()
        if self._turn is not None:
            return await self._end(self._turn)
        self._transcript.answered(None)
        return Silence()

    async def _hold(self, turn: CallerTurn) -> None:
        """The caller spoke already before this question: it is an answer only where it goes on after the question."""
        if self._speaking is None:
            await self._begin(turn)
        else:
            self._turn = turn

    async def _begin(self, turn: CallerTurn) -> None:
        """The caller speaks: what is said counts, unless the bot may not be interrupted now."""
        if self._recognizer is None or self._keys:
            return
        self._turn = turn
        if self._may_interrupt():
            self._detector.end_of_turn_seconds = self._listen.end_of_turn_seconds
            await self._interrupt()
            self._attach()
            self._wait(MOST_ANSWER_SECONDS)

    def _attach(self) -> None:
        """Let the recogniser hear what the caller says, once both are there."""
        opened = self._opening
        if self._turn is None or self._turn.sink is not None or self._speaking is not None:
            return
        if opened is not None and opened.done() and not opened.cancelled() and opened.exception() is None:
            self._turn.attach(opened.result().write)

    async def _end(self, turn: CallerTurn) -> Answered | None:
        self._turn = None
        if self._speaking is not None:  # over before the bot was: an interjection
            return None
        decided_at = self._now()
        words = await self._understand(turn)
        last_sound_at = turn.ended_at if turn.ended_at is not None else decided_at
        seconds = max(last_sound_at - turn.began_at, 0.0)
        if not words.text and seconds < NOISE_SECONDS and self._noises < MOST_NOISES:
            self._noises += 1
            self._open()
            self._speak()
            return None
        details = {} if words.confidence is None else {"confidence": round(words.confidence, 3)}
        self._transcript.caller(words.text, seconds, **details)
        self._transcript.answered(AnswerTimes(last_sound_at, decided_at, self._now()))
        return Answered(words.text, words.confidence)

    async def _understand(self, turn: CallerTurn) -> Words:
        """Return what was said; a stream that broke is tried once more, for the audio is there."""
        opening, self._opening = self._opening, None
        try:
            try:
                return await self._finish(turn, opening)
            except SpeechError as error:
                if error.fault not in {SpeechFault.UNAVAILABLE, SpeechFault.GARBLED}:
                    raise
            return await self._finish(turn, None)
        except SpeechError as error:
            raise RecognitionFailed(error) from None

    async def _finish(self, turn: CallerTurn, opening: asyncio.Task[RecognitionStream] | None) -> Words:
        stream: RecognitionStream | None = None
        try:
            stream = await self._voice.fill(opening or self._opened(), OPEN_SECONDS)
            if turn.sink is None:
                turn.attach(stream.write)
            return await self._voice.fill(stream.finish(), UNDERSTAND_SECONDS)
        except TimeoutError:
            raise SpeechError(SpeechFault.TIMEOUT, "the recogniser does not answer") from None
        finally:
            turn.sink = None
            if stream is not None:
                await stream.close()

    async def _press(self) -> Pressed:
        await self._fall_silent()
        self._transcript.caller("", 0.0, keys=self._keys)
        self._transcript.answered(None)
        return Pressed(self._keys)

    def _may_interrupt(self) -> bool:
        return self._speaking is None or self._voice.current is None or self._voice.current.barge_in

    async def _interrupt(self) -> None:
        """Fall silent; what was not said yet is kept, in case that it was a noise."""
        if self._speaking is not None:
            await self._fall_silent()
            self._skip = max(self._skip + self._voice.heard_seconds - RESUME_SECONDS, 0.0)

    def _speak(self) -> None:
        """Say what is left; where nothing is, the caller has time for an answer now."""
        if not self._say:
            self._wait_for_answer()
            return
        self._deadline = None
        self._speaking = asyncio.create_task(self._say_all())
        self._speaking.add_done_callback(lambda _: self._inbox.put_nowait(_BotDone()))

    async def _say_all(self) -> None:
        while self._say:
            await self._voice.say(self._say[0], skip_seconds=self._skip)
            self._skip = 0.0
            del self._say[0]

    def _wait_for_answer(self) -> None:
        self._wait(NEXT_KEY_SECONDS if self._keys else self._listen.no_input_seconds)

    async def _fall_silent(self) -> None:
        speaking, self._speaking = self._speaking, None
        if speaking is not None and not speaking.done():
            speaking.cancel()
            await asyncio.wait([speaking])

    def _open(self) -> None:
        """Have the recogniser listen."""
        if self._recognizer is not None and self._opening is None:
            self._opening = asyncio.create_task(self._opened())
            self._opening.add_done_callback(lambda _: self._inbox.put_nowait(_StreamOpen()))

    async def _opened(self) -> RecognitionStream:
        if self._recognizer is None:
            raise SpeechError(SpeechFault.UNSUPPORTED, "this bot has no recogniser")
        return await self._recognizer.open(self._listen.expected, self._language, self._inbox.put_nowait)

    async def _close(self) -> None:
        opening, self._opening = self._opening, None
        if self._turn is not None:
            self._turn.sink = None
        if opening is None:
            return
        if not opening.done():
            opening.cancel()
            await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().close()

    def _wait(self, seconds: float) -> None:
        self._deadline = self._now() + seconds

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
