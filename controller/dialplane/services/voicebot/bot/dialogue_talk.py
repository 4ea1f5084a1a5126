"""A call of a bot that has a dialogue: asks what the dialogue asks, does what it does, until one of its ends."""

import asyncio
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.call_context import CallContext, Ended
from dialplane.services.voicebot.bot.ear import Ear, EarEvent, KeyPressed
from dialplane.services.voicebot.bot.question import Question, RecognitionFailed
from dialplane.services.voicebot.bot.transcript import Transcript
from dialplane.services.voicebot.bot.voice import Voice
from dialplane.services.voicebot.dialogue.machine import Dialogue
from dialplane.services.voicebot.dialogue.steps import (
    ActionEnded,
    Answered,
    AskModel,
    AskWebhook,
    DialogueEvent,
    EndCall,
    FallBack,
    Listen,
    ModelAnswered,
    SendSms,
    Step,
    TransferTo,
)
from dialplane.services.voicebot.dialogue.variables import CALLER
from dialplane.services.voicebot.speech.contract import SpeechError, SpeechFault
from dialplane.services.voicebot.tables.calls import CallOutcome
from dialplane.services.voicebot.turns.detector import TurnDetector

ACTION_SECONDS: Final = 35.0
"""For any action: longer than the limit of each."""
MOST_KEYS: Final = 64
"""Keys that are pressed ahead."""
LASTING: Final = frozenset({SpeechFault.REFUSED, SpeechFault.QUOTA, SpeechFault.UNSUPPORTED})
"""Faults that the next answer would meet, too."""
NOT_UNDERSTOOD: Final = "the bot could not understand the caller: {}"
NOT_SPOKEN: Final = "the bot could not speak: {}"


class DialogueTalk:
    """One call."""

    def __init__(
        self, context: CallContext, ear: Ear, detector: TurnDetector, voice: Voice, transcript: Transcript
    ) -> None:
        """Talk by the dialogue of the bot's manifest."""
        today = context.now().astimezone(ZoneInfo(context.bot.time_zone)).date()
        self._context = context
        self._ear = ear
        self._detector = detector
        self._voice = voice
        self._transcript = transcript
        self._dialogue = Dialogue(context.bot.spec, context.caller, today=today)
        self._question: Question | None = None
        self._keys = ""
        self._asked = ""
        """The state that asked last."""
        self._failures = 0

    @property
    def variables(self) -> Mapping[str, str]:
        """What the dialogue has come to know, but for the caller's number."""
        return {name: value for name, value in self._dialogue.variables.items() if name != CALLER}

    def on_event(self, event: EarEvent) -> None:
        """Take what the caller does."""
        if self._question is not None:
            self._question.on_event(event)
        elif isinstance(event, KeyPressed) and len(self._keys) < MOST_KEYS:
            self._keys += event.key

    async def run(self) -> Ended:
        """Talk until the dialogue ends."""
        step = self._dialogue.begin()
        while True:
            self._transcript.state = step.state
            self._transcript.decided()
            try:
                event = await self._perform(step)
            except SpeechError as error:
                metrics.count_fault(self._context.bot.spec.text_to_speech.provider, error.fault)
                return await self._fall_back(NOT_SPOKEN.format(error))
            if isinstance(event, Ended):
                return event
            step = self._dialogue.advance(event)

    async def _perform(self, step: Step) -> DialogueEvent | Ended:
        match step.then:
            case Listen() as listen:
                return await self._ask(step, listen)
            case AskWebhook() | AskModel() | SendSms() as action:
                acting = asyncio.create_task(self._act(action))
                try:
                    await self._say(step)
                    ended = await self._voice.fill(acting, ACTION_SECONDS)
                except TimeoutError:
                    ended = ActionEnded()
                finally:
                    acting.cancel()
                self._note(action, ended)
                return ended
            case TransferTo(state=state):
                await self._say(step)
                return self._ended(state, CallOutcome.TRANSFERRED)
            case EndCall():
                await self._say(step)
                return self._ended("hangup", CallOutcome.COMPLETED)
            case FallBack(reason=reason):
                await self._say(step)
                return self._ended("", CallOutcome.FALLBACK, reason)

    async def _ask(self, step: Step, listen: Listen) -> DialogueEvent | Ended:
        context = self._context
        keys, self._keys = self._keys, ""
        if step.state == self._asked:  # what was pressed ahead was not meant for a second time
            keys = ""
        self._asked = step.state
        question = self._question = Question(
            listen,
            step.say,
            language=context.bot.spec.language,
            recognizer=context.speech.recognizer,
            is_complete=self._dialogue.is_complete,
            ear=self._ear,
            detector=self._detector,
            voice=self._voice,
            transcript=self._transcript,
            keys=keys,
        )
        try:
            answer = await question.ask()
        except RecognitionFailed as failed:
            metrics.count_fault(context.bot.spec.speech_to_text.provider, failed.error.fault)
            self._failures += 1
            if failed.error.fault in LASTING or self._failures > 1:
                return await self._fall_back(NOT_UNDERSTOOD.format(failed.error))
            return Answered("")
        finally:
            self._question = None
            self._keys = question.keys_ahead()[:MOST_KEYS]
        if isinstance(answer, Answered):
            self._failures = 0
        return answer

    async def _say(self, step: Step) -> None:
        """Say it all; nobody is asked, so nobody interrupts it."""
        for utterance in step.say:
            await self._voice.say(utterance)

    async def _act(self, action: AskWebhook | AskModel | SendSms) -> ActionEnded | ModelAnswered:
        actions = self._context.actions
        match action:
            case AskWebhook():
                return await actions.webhook(action)
            case AskModel():
                return await actions.ask_model(action)
            case SendSms():
                return await actions.sms(action)

    def _note(self, action: AskWebhook | AskModel | SendSms, ended: ActionEnded | ModelAnswered) -> None:
        if isinstance(ended, ActionEnded):
            self._transcript.system(type(action).__name__, outcome=ended.outcome)

    async def _fall_back(self, reason: str) -> Ended:
        await self._voice.apologize()
        return self._ended("", CallOutcome.FALLBACK, reason)

    def _ended(self, following: str, outcome: CallOutcome, reason: str = "") -> Ended:
        return Ended(following, outcome, reason, self._transcript.state, self.variables)
