"""The transcript of one call: numbers its turns, and gives them to the log."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dialplane.services.voicebot.bot import metrics
from dialplane.services.voicebot.bot.call_context import CallContext
from dialplane.services.voicebot.bot.metrics import TurnPart
from dialplane.services.voicebot.tables.turns import Turn

LONGEST: Final = 4_000
"""Characters of a turn."""


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """How long it took to take an answer, by the loop's clock."""

    last_sound_at: float
    decided_at: float
    """When the turn was over."""
    understood_at: float


class Transcript:
    """What both said, as it goes to the log. Knows the state of the dialogue."""

    def __init__(self, context: CallContext) -> None:
        """Begin with the first turn."""
        self._context = context
        self._number = 0
        self.state = ""
        """Of the dialogue."""
        self._answer: AnswerTimes | None = None
        self._moved_at = 0.0

    def caller(self, text: str, seconds: float, **details: object) -> None:
        """The caller said something that took so long, up to now."""
        self._add("caller", text, seconds, details)

    def bot(self, text: str, seconds: float, first_audio_at: float | None, **details: object) -> None:
        """The bot said something that took so long, up to now; its first audio was sent then, by the loop's clock."""
        if first_audio_at is not None and (times := self._latency(first_audio_at)):
            metrics.count_turn(times)
            details |= times
        self._add("bot", text, seconds, details)

    def system(self, text: str, seconds: float = 0.0, **details: object) -> None:
        """Something was done that took so long, up to now."""
        self._add("system", text, seconds, details)

    def answered(self, times: AnswerTimes | None) -> None:
        """An answer was understood; None: with keys. What the bot says next answers it."""
        self._answer = times

    def decided(self) -> None:
        """It is clear what the bot does now."""
        self._moved_at = self._now()

    def _latency(self, first_audio_at: float) -> dict[str, float]:
        answer, self._answer = self._answer, None
        if answer is None:
            return {}
        decided = max(self._moved_at, answer.understood_at)
        return {
            TurnPart.END_OF_SPEECH: round(answer.decided_at - answer.last_sound_at, 3),
            TurnPart.RECOGNITION: round(answer.understood_at - answer.decided_at, 3),
            TurnPart.DECISION: round(decided - answer.understood_at, 3),
            TurnPart.FIRST_AUDIO: round(max(first_audio_at - decided, 0.0), 3),
        }

    def _add(self, speaker: str, text: str, seconds: float, details: dict[str, object]) -> None:
        at = self._context.now() - timedelta(seconds=seconds)
        turn = Turn(speaker, self.state, at, round(seconds, 3), text[:LONGEST], details)
        self._context.log.turn(self._context.call_id, self._number, turn)
        self._number += 1

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
