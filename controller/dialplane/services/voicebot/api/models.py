"""What `/bots` answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from dialplane.api.models import Answer
from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import Turn


class CallOfBot(Answer):
    """A call that a bot took."""

    id: str
    """Its own."""
    bot: str
    """The VoiceBot."""
    caller: str
    """The caller's number; empty where it is hidden."""
    began_at: datetime
    """When the bot took it."""
    ended_at: datetime | None
    """When it ended for the bot; null while it goes on."""
    seconds: float | None
    """How long it took; null while it goes on."""
    outcome: CallOutcome | None
    """How it ended: `completed`, `transferred`, `hung_up`, `fallback`, or `lost` with the process of the bot; null
    while it goes on."""
    reason: str | None
    """Why it went to the fallback."""
    state: str | None
    """The last state of the dialogue."""
    target: str | None
    """The state whose transfer it took."""
    campaign: str | None
    """The Campaign that called."""
    destination: str | None
    """The number that the Campaign called."""
    variables: dict[str, str]
    """What the dialogue collected."""
    recorded: bool
    """Whether there is a recording."""

    @classmethod
    def of(cls, call: BotCall) -> Self:
        """Return a call as it is shown."""
        return cls(**_fields(call))


class TurnOfCall(Answer):
    """Something that was said or done."""

    number: int
    """Its place, from 1."""
    speaker: str
    """`caller`, `bot`, or `system` for what was done."""
    state: str
    """Of the dialogue."""
    at: datetime
    """When it began."""
    seconds: float
    """How long it took."""
    text: str
    """What was said; of the bot, what the caller heard of it."""
    details: dict[str, Any]
    """Where it applies: `heard_seconds`, `interrupted`, `keys`, `confidence`, `value`; and the seconds of the way from
    the caller's last sound to the bot's first: `end_of_speech`, `recognition`, `decision`, `first_audio`."""


class CallWithTurns(CallOfBot):
    """A call, and what was said in it."""

    turns: list[TurnOfCall]
    """In their order; empty once the transcript's time is over."""

    @classmethod
    def with_turns(cls, call: BotCall, turns: Sequence[Turn]) -> Self:
        """Return a call as it is shown, with its turns."""
        shown = [
            TurnOfCall(
                number=number,
                speaker=turn.speaker,
                state=turn.state,
                at=turn.at,
                seconds=turn.seconds,
                text=turn.text,
                details=turn.details,
            )
            for number, turn in enumerate(turns, start=1)
        ]
        return cls(turns=shown, **_fields(call))


class BotCallPage(Answer):
    """Some calls, the newest first."""

    items: list[CallOfBot]
    """The calls."""
    next: str | None
    """`cursor` of the page after this; null at the end."""


class ErasedCaller(Answer):
    """What was erased of a caller."""

    calls: int
    """Calls, with their transcripts."""
    recordings: int
    """Recordings."""
    going_on: int
    """Calls that go on, or were recorded and ended in the last two minutes: ask again after these."""


def _fields(call: BotCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "bot": call.bot,
        "caller": call.caller,
        "began_at": call.began_at,
        "ended_at": call.ended_at,
        "seconds": None if call.ended_at is None else round((call.ended_at - call.began_at).total_seconds(), 3),
        "outcome": call.outcome,
        "reason": call.reason,
        "state": call.state,
        "target": call.target,
        "campaign": call.campaign,
        "destination": call.destination,
        "variables": call.variables or {},
        "recorded": call.recording is not None,
    }
