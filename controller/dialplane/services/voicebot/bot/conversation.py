"""How a bot speaks with one caller, from the greeting to the end."""

import asyncio
from dataclasses import replace
from typing import Any, Final

from dialplane.logs import log_unexpected
from dialplane.services.voicebot.bot.call_context import CallContext, Ended
from dialplane.services.voicebot.bot.dialogue_talk import NOT_SPOKEN, DialogueTalk
from dialplane.services.voicebot.bot.ear import Ear, EarEvent
from dialplane.services.voicebot.bot.playout import Playout
from dialplane.services.voicebot.bot.realtime_talk import RealtimeTalk
from dialplane.services.voicebot.bot.recording import CallRecording
from dialplane.services.voicebot.bot.transcript import Transcript
from dialplane.services.voicebot.bot.voice import Voice
from dialplane.services.voicebot.dialogue.steps import Utterance
from dialplane.services.voicebot.speech.contract import SpeechError
from dialplane.services.voicebot.tables.calls import CallOutcome
from dialplane.services.voicebot.turns.detector import TurnDetector
from dialplane.tasks import wait_at_most

__all__ = ["CallContext", "Ended", "converse"]

CONNECT_SECONDS: Final = 0.5
"""Until the bot speaks though no audio of the caller has come: what is said before both are bridged is lost."""
BROKEN: Final = "the bot met an error that nobody foresaw"
LIMIT_SLACK: Final = 1.0
"""Seconds by which Asterisk's clock of a call may be ahead of ours."""
TOO_LONG: Final = "the call lasted for as long as maxCallSeconds says"
NOTHING_TO_DO: Final = "the bot has neither a dialogue nor a model"


async def converse(context: CallContext) -> Ended:
    """Speak with a caller until the dialogue, the caller or a fault ends it.

    Never raises but when it is cancelled. Every wait in it has a limit. The media channel is left open.
    """
    call = _Call(context)
    try:
        ended = await call.run()
    except Exception as error:  # noqa: BLE001 -- the caller goes to the fallback, whatever happened
        log_unexpected("bot call failed", error, bot=context.name, call=context.call_id)
        ended = Ended("", CallOutcome.FALLBACK, BROKEN, call.transcript.state)
    finally:
        recording = call.end_recording()
    return replace(ended, recording=recording)


class _Call:
    """What one call is made of."""

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self.transcript = Transcript(context)
        playout = Playout(context.media)
        detector = TurnDetector()
        self._playout = playout
        self._ear = Ear(context.media, playout, detector, self._on_event)
        self._voice = Voice(context.speech, playout, self.transcript, context.bot.spec.language)
        self._recording: CallRecording | None = None
        self._talk: DialogueTalk | RealtimeTalk | None = self._made(detector)

    def _made(self, detector: TurnDetector) -> DialogueTalk | RealtimeTalk | None:
        spec = self._context.bot.spec
        if spec.dialog is not None:
            return DialogueTalk(self._context, self._ear, detector, self._voice, self.transcript)
        if spec.realtime is not None:
            return RealtimeTalk(
                self._context,
                spec.realtime,
                ear=self._ear,
                playout=self._playout,
                voice=self._voice,
                transcript=self.transcript,
            )
        return None

    def _on_event(self, event: EarEvent) -> None:
        if self._talk is not None:
            self._talk.on_event(event)

    async def run(self) -> Ended:
        """Talk, listen and play side by side; the end of the media ends the talk."""
        began = asyncio.get_running_loop().time()
        talking = asyncio.create_task(self._whole())
        listening = asyncio.create_task(self._ear.run())
        playing = asyncio.create_task(self._playout.run())
        tasks: set[asyncio.Task[Any]] = {talking, listening, playing}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                return talking.result()
            for task in (listening, playing):
                if task.done():
                    task.result()
            return self._cut(asyncio.get_running_loop().time() - began)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _cut(self, seconds: float) -> Ended:
        """Return how a call ended that lasted so long, when its media went."""
        variables = self._talk.variables if isinstance(self._talk, DialogueTalk) else {}
        state = self.transcript.state
        if seconds > self._context.bot.spec.max_call_seconds - LIMIT_SLACK:
            return Ended("", CallOutcome.FALLBACK, TOO_LONG, state, variables)
        return Ended("", CallOutcome.HUNG_UP, "", state, variables)

    async def _whole(self) -> Ended:
        if self._talk is None:
            return Ended("", CallOutcome.FALLBACK, NOTHING_TO_DO)
        await wait_at_most(self._ear.connected, CONNECT_SECONDS)
        try:
            await self._ask_consent()
        except SpeechError as error:
            return Ended("", CallOutcome.FALLBACK, NOT_SPOKEN.format(error))
        return await self._talk.run()

    async def _ask_consent(self) -> None:
        """Say that the call is recorded, and record it from then on."""
        context, spec = self._context, self._context.bot.spec
        if spec.recording is None or context.recordings is None or context.recordings.refusal:
            return
        await self._voice.say(Utterance(spec.recording.consent, spec.language, barge_in=False))
        self._recording = context.recordings.begin(context.name, context.call_id)
        self._ear.recorder = self._recording

    def end_recording(self) -> str | None:
        """End the recording, where there is one; return its name in the storage."""
        self._ear.recorder = None
        return self._recording.end() if self._recording is not None else None
