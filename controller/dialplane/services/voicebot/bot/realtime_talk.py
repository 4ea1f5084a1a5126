"""A call of a bot whose model hears and speaks by itself: carries audio both ways, and lets the caller interrupt.

The model does not hear its own echo: while it is heard, it gets silence, until the caller speaks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from dialplane.resources.voice_bot import Realtime
from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.call_context import CallContext, Ended
from dialplane.services.voicebot.bot.ear import CallerTurn, Ear, EarEvent, TurnBegan, TurnEnded
from dialplane.services.voicebot.bot.playout import Playout
from dialplane.services.voicebot.bot.transcript import AnswerTimes, Transcript
from dialplane.services.voicebot.bot.voice import Voice
from dialplane.services.voicebot.dialogue.steps import Utterance
from dialplane.services.voicebot.speech.contract import (
    SILENT_FRAME,
    CallerBegan,
    ModelChose,
    ModelSpoke,
    ModelTurnEnded,
    RealtimeEvent,
    RealtimeSession,
    SaidText,
    SpeechError,
    SpeechFault,
)
from dialplane.services.voicebot.tables.calls import CallOutcome

OPEN_SECONDS: Final = 8.0
"""For a session to begin."""
HEARD_SECONDS: Final = 2.0
"""For the model to take how much was heard."""
ANSWER_SECONDS: Final = 10.0
"""After so long without a sound of the model the call goes to the fallback."""
MOMENT_SECONDS: Final = 4.5
"""After so long the caller is asked for a moment."""
LAST_WORDS_SECONDS: Final = 20.0
"""For what the model says before it sends the call on."""
_LOOK_SECONDS: Final = 0.25
_HANGUP: Final = "hangup"
_ITEM: Final = "model/"
"""In front of the model's own names of its utterances."""


class RealtimeTalk:
    """One call."""

    def __init__(
        self,
        context: CallContext,
        realtime: Realtime,
        *,
        ear: Ear,
        playout: Playout,
        voice: Voice,
        transcript: Transcript,
    ) -> None:
        """Talk as the manifest instructs the model."""
        self._context = context
        self._names = {transfer.name for transfer in realtime.transfers} | {_HANGUP}
        self._provider = realtime.provider
        self._ear = ear
        self._playout = playout
        self._voice = voice
        self._transcript = transcript
        self._session: RealtimeSession | None = None
        self._cut: set[str] = set()
        """Utterances that were interrupted: what still comes of them is dropped."""
        self._item = ""
        self._answering = False
        """Whether the caller waits for the model."""
        self._quiet_since = 0.0
        self._first_audio_at: float | None = None
        self._interrupting: set[asyncio.Task[None]] = set()
        self._words = ""
        """What the model says now, for the transcript."""
        self._unheard = 0

    def on_event(self, event: EarEvent) -> None:
        """Take what the caller does."""
        match event:
            case TurnBegan(turn=turn):
                self._begin(turn)
            case TurnEnded(turn=turn):
                now = self._now()
                self._answering, self._quiet_since, self._unheard = True, now, 0
                self._transcript.answered(AnswerTimes(turn.ended_at or now, now, now))
            case _:
                pass

    async def run(self) -> Ended:
        """Talk until the model sends the call on, or fails."""
        model = self._context.speech.realtime
        greeting = self._context.bot.spec.greeting or ""
        try:
            if model is None:
                return await self._fail(SpeechError(SpeechFault.UNSUPPORTED, "this bot has no model"))
            self._session = await self._voice.fill(model.open(greeting), OPEN_SECONDS)
            return await self._talk(self._session)
        except TimeoutError:
            return await self._fail(SpeechError(SpeechFault.TIMEOUT, "the model does not answer"))
        except SpeechError as error:
            return await self._fail(error)
        finally:
            self._write_down()
            self._ear.on_frame = None
            for task in self._interrupting:
                task.cancel()
            if self._session is not None:
                await self._session.close()

    async def _talk(self, session: RealtimeSession) -> Ended:
        self._quiet_since, self._answering = self._now(), True
        self._ear.on_frame = self._pass_on
        heeding = asyncio.create_task(self._heed(session))
        watching = asyncio.create_task(self._watch())
        try:
            done, _ = await asyncio.wait({heeding, watching}, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in (heeding, watching):
                task.cancel()
            await asyncio.wait({heeding, watching})

    async def _heed(self, session: RealtimeSession) -> Ended:
        """Do what the model says, until it sends the call on."""
        async with aclosing(_closable(session.events())) as events:
            async for event in events:
                match event:
                    case ModelSpoke(audio=audio, item=item):
                        self._speak(audio, item)
                    case CallerBegan():
                        self._interrupt()
                    case SaidText(speaker=speaker, text=text):
                        self._note(speaker, text)
                    case ModelTurnEnded():
                        self._playout.finish()
                    case ModelChose(name=name) if name in self._names:
                        self._playout.finish()
                        await self._last_words()
                        if name == _HANGUP:
                            return Ended(name, CallOutcome.COMPLETED)
                        return Ended(name, CallOutcome.TRANSFERRED)
                    case ModelChose():
                        self._transcript.system("the model chose what it may not")
        raise SpeechError(SpeechFault.UNAVAILABLE, "the model ended the session")

    async def _last_words(self) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._playout.drained()
        except TimeoutError:
            await self._playout.stop()

    def _speak(self, audio: bytes, item: str) -> None:
        if item in self._cut:
            return
        if item != self._item:
            self._write_down()
            self._item, self._first_audio_at = item, self._now()
        self._answering = False
        self._unheard = 0
        self._playout.add(audio, _ITEM + item)

    def _begin(self, turn: CallerTurn) -> None:
        """The caller speaks: what the model says is stopped, and it hears the caller from a little before on."""
        if self._session is None:
            return
        if self._playout.speaking:
            if not self._context.bot.spec.barge_in:
                return
            self._interrupt()
            turn.attach(self._session.write)

    def _interrupt(self) -> None:
        """Stop what the model says."""
        if not self._context.bot.spec.barge_in or not self._playout.speaking:
            return
        at_ear = self._playout.item_at_ear() or ""
        item = at_ear.removeprefix(_ITEM) if at_ear.startswith(_ITEM) else self._item
        self._cut |= {item, self._item}
        task = asyncio.create_task(self._stop(item))
        self._interrupting.add(task)
        task.add_done_callback(self._interrupting.discard)

    async def _stop(self, item: str) -> None:
        await self._playout.stop()
        self._write_down()
        session = self._session
        if session is not None and item:
            try:
                async with asyncio.timeout(HEARD_SECONDS):
                    await session.heard(item, self._playout.heard(_ITEM + item))
            except (SpeechError, TimeoutError):  # its events say so, too
                return

    def _pass_on(self, frame: bytes, played: bytes | None) -> None:
        session, turn = self._session, self._ear.turn
        if session is None or (turn is not None and turn.sink is not None):
            return
        session.write(frame if played is None else SILENT_FRAME)

    def _note(self, speaker: str, text: str) -> None:
        if speaker == "caller":
            self._transcript.caller(text, 0.0)
        else:
            self._words = f"{self._words} {text}".strip()

    def _write_down(self) -> None:
        """Write what the model said into the transcript, as far as it was heard."""
        text, self._words = self._words, ""
        if not text:
            return
        heard = self._playout.heard(_ITEM + self._item)
        interrupted = {"interrupted": True} if self._item in self._cut else {}
        self._transcript.bot(text, heard, self._first_audio_at, heard_seconds=round(heard, 2), **interrupted)

    async def _watch(self) -> Ended:
        """Let no silence last: neither the model's nor the caller's."""
        no_input = self._context.bot.spec.no_input
        asked = False
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._playout.speaking or self._ear.turn is not None:
                self._quiet_since, asked = self._now(), False
                continue
            self._write_down()
            quiet = self._now() - self._quiet_since
            if self._answering:
                if quiet > ANSWER_SECONDS:
                    raise SpeechError(SpeechFault.TIMEOUT, "the model says nothing")
                if quiet > MOMENT_SECONDS and not asked:
                    asked = True
                    since = self._quiet_since
                    await self._voice.ask_for_a_moment()
                    self._quiet_since = since
            elif quiet > no_input.after_seconds:
                self._unheard += 1
                if self._unheard > no_input.attempts:
                    return Ended("", CallOutcome.FALLBACK, "the caller said nothing")
                if self._context.speech.synthesizer is not None:
                    language = self._context.bot.spec.language
                    await self._voice.say(Utterance(no_input.say, language, barge_in=False))
                self._quiet_since = self._now()

    async def _fail(self, error: SpeechError) -> Ended:
        metrics.count_fault(self._provider, error.fault)
        self._playout.finish()  # a model that broke off in mid-sentence has not ended its utterance
        await self._last_words()
        await self._voice.apologize()
        return Ended("", CallOutcome.FALLBACK, f"the bot could not go on: {error}")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _closable(events: AsyncIterator[RealtimeEvent]) -> Any:
    try:
        async for event in events:
            yield event
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
