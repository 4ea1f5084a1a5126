"""One call for tests: a caller does things at moments, the bot talks, and what is left of it can be looked at."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.bot.conversation import CallContext, Ended, converse
from dialplane.services.voicebot.bot.recording import Recordings
from dialplane.services.voicebot.desired import desired_bot
from dialplane.services.voicebot.dialogue.steps import ActionEnded, AskModel, AskWebhook, ModelAnswered, SendSms
from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import Turn
from tests.voicebot.bot.line import Line
from tests.voicebot.bot.speech_parts import Parts
from tests.voicebot.virtual_time import run

CALL = "1732999999.17"
CALLER = "+15550100"
MOST_SECONDS = 300.0


@dataclass
class Log:
    """Implements `CallLog`."""

    turns: list[Turn] = field(default_factory=list)

    def begin(self, call: BotCall) -> None:
        """See `CallLog.begin`."""

    def turn(self, call: str, number: int, turn: Turn) -> None:
        """See `CallLog.turn`."""
        assert (call, number) == (CALL, len(self.turns))
        self.turns.append(turn)

    def end(self, call: str, outcome: CallOutcome, **details: Any) -> None:
        """See `CallLog.end`."""

    async def run(self) -> None:
        """See `CallLog.run`."""

    def said(self, speaker: str) -> list[str]:
        """Return the texts of one side."""
        return [turn.text for turn in self.turns if turn.speaker == speaker]


@dataclass
class Actions:
    """Implements `BotActions`."""

    outcome: str = ""
    takes: float = 0.0
    done: list[object] = field(default_factory=list)

    async def webhook(self, ask: AskWebhook) -> ActionEnded:
        """See `BotActions.webhook`."""
        return await self._do(ask)

    async def ask_model(self, ask: AskModel) -> ModelAnswered | ActionEnded:
        """See `BotActions.ask_model`."""
        return await self._do(ask)

    async def sms(self, send: SendSms) -> ActionEnded:
        """See `BotActions.sms`."""
        return await self._do(send)

    async def _do(self, action: object) -> ActionEnded:
        self.done.append(action)
        await asyncio.sleep(self.takes)
        return ActionEnded(self.outcome)


@dataclass
class Talked:
    """A call that is over."""

    ended: Ended
    log: Log
    line: Line
    seconds: float
    """How long it took."""
    began: float
    """By the loop's clock, as the times of `line`."""

    def last_sound(self, before: float) -> float:
        """Return the second of the call in which the bot was last heard before another one."""
        return max((at - self.began for at, audio in self.line.heard if at - self.began < before and any(audio)))


Caller = Mapping[float, Callable[[Line], object]]
"""What the caller does, by seconds since the call began."""


def talk(
    spec: VoiceBotSpec,
    caller: Caller,
    speech: Parts,
    *,
    actions: Actions | None = None,
    line: Line | None = None,
    recordings: Callable[[], Recordings] | None = None,
) -> Talked:
    """Hold a call, in time of its own."""
    log, line = Log(), line or Line()

    async def held() -> Talked:
        loop = asyncio.get_running_loop()
        began, at = loop.time(), datetime(2026, 11, 30, 9, tzinfo=UTC)
        context = CallContext(
            media=line,
            bot=desired_bot(spec, "Europe/Berlin"),
            name="reception",
            call_id=CALL,
            caller=CALLER,
            log=log,
            speech=speech,
            actions=actions or Actions(),
            recordings=recordings() if recordings else None,
            now=lambda: at + timedelta(seconds=loop.time() - began),
        )
        carrying = asyncio.create_task(line.run())
        for seconds, act in caller.items():
            loop.call_at(began + seconds, act, line)
        try:
            async with asyncio.timeout(MOST_SECONDS):
                ended = await converse(context)
        finally:
            carrying.cancel()
        left = [task for task in asyncio.all_tasks() - {asyncio.current_task(), carrying} if not task.done()]
        assert not left, f"tasks are left: {left}"
        return Talked(ended, log, line, loop.time() - began, began)

    return run(held())
