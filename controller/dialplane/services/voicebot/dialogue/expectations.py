"""Tests of dialogues, as a file beside the manifests says them: what the caller does, and what the bot must do."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part
from dialplane.resources.destination import Destination
from dialplane.resources.dialog import Keys
from dialplane.resources.fields import ObjectName
from dialplane.resources.rule import Rule, exactly_one
from dialplane.resources.text import NotThisError, Text
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue.rehearsal import Rehearsal, Scene, waits_for
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
    Pressed,
    Silence,
    TransferTo,
)

CALLER: Final = "+15550100"
"""Who calls where a test does not say."""
TODAY: Final = date(2026, 1, 1)
"""The date where a test does not say: a Thursday."""

Words = Annotated[str, Text("a text of up to 1,000 characters", r"^[^\x00]{1,1000}$", 1000)]


def _check_day(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise NotThisError("a day that there is, such as 2026-12-31") from None


Day = Annotated[str, Text("a date, such as 2026-12-31", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 10, _check_day)]


class WebhookAnswer(Part):
    """What a program answers to the bot; without an outcome it fails."""

    outcome: ObjectName | None = None
    """The `outcome` of its answer."""
    variables: dict[str, str] = Field(default_factory=dict)
    """The `variables` of its answer."""


class LanguageModelAnswer(Part):
    """What a language model answers: exactly one of these."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("bot-test-model-one", "says", "intent", "fails"),)

    says: Words | None = None
    """It says this to the caller."""
    intent: ObjectName | None = None
    """It names this intent."""
    fails: Literal[True] | None = None
    """It does not answer in time."""


class Expectation(Part):
    """What must be true now; all that stands here."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="bot-test-expect",
            message="expect something: says, state, transfer, ends, sms or variables",
            field="",
            cel="['says', 'state', 'transfer', 'ends', 'sms'].exists(name, name in self) || self.variables.size() > 0",
            holds=lambda expect: expect.model_dump(exclude_none=True) != {"variables": {}},
        ),
    )

    says: Words | None = None
    """The bot has just said this, among other things."""
    state: ObjectName | None = None
    """The dialogue is in this state."""
    transfer: Destination | None = None
    """The call goes on there."""
    ends: Literal["hangup", "transfer", "fallback"] | None = None
    """The dialogue has ended so."""
    sms: Words | None = None
    """The bot has just sent a text message with this in it."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Variables have these values."""


class BotTestStep(Part):
    """One step: exactly one of these."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("bot-test-step-one", "caller", "keys", "silence", "webhook", "model", "expect"),
    )

    caller: Words | None = None
    """The caller says this."""
    keys: Keys | None = None
    """The caller presses these keys."""
    silence: Literal[True] | None = None
    """The caller says nothing."""
    webhook: WebhookAnswer | None = None
    """The program that the bot asks answers this."""
    model: LanguageModelAnswer | None = None
    """The language model answers this."""
    expect: Expectation | None = None
    """What must be true now."""

    @property
    def event(self) -> DialogueEvent | None:
        """What happens; None where something is expected."""
        if self.caller is not None:
            return Answered(self.caller)
        if self.keys is not None:
            return Pressed(self.keys)
        if self.webhook is not None:
            return ActionEnded(self.webhook.outcome or "", self.webhook.variables)
        if self.model is not None:
            return ModelAnswered(self.model.says) if self.model.says else ActionEnded(self.model.intent or "")
        return Silence() if self.silence else None


class BotTest(Part):
    """A call with a bot, and how it must go."""

    name: Annotated[str, Text("a name of up to 120 characters", r"^[^\p{Cc}]{1,120}$", 120)]
    """What it shows, in a few words."""
    bot: ObjectName
    """The VoiceBot."""
    caller: Annotated[str, Text("a number of up to 20 digits", r"^[+]?[0-9]{0,20}$", 21)] = CALLER
    """The number that calls."""
    today: Day = TODAY.isoformat()
    """The date of the call, for a dialogue that asks for dates."""
    steps: Annotated[tuple[BotTestStep, ...], Field(min_length=1, max_length=500)]
    """What happens, in order; the bot has greeted before the first."""


def failure(test: BotTest, spec: VoiceBotSpec) -> tuple[str, str] | None:
    """Return the field of the first step that fails, and why; None where the dialogue goes as it must."""
    rehearsal = Rehearsal(spec, test.caller, date.fromisoformat(test.today))
    scene = rehearsal.begin()
    for index, step in enumerate(test.steps):
        field = f"steps[{index}]"
        if step.expect is not None:
            for name, why in _missed(step.expect, scene, rehearsal):
                return f"{field}.expect.{name}", f"{why}; {_now(scene)}"
            continue
        event = step.event
        if event is None or not _is_awaited(event, step, scene):
            return field, f"the dialogue waits for {waits_for(scene.then) or 'nothing'}, not for this; {_now(scene)}"
        scene = rehearsal.play(event)
    return None


def _is_awaited(event: DialogueEvent, step: BotTestStep, scene: Scene) -> bool:
    match scene.then:
        case Listen():
            return isinstance(event, Answered | Pressed | Silence)
        case AskWebhook():
            return step.webhook is not None
        case AskModel():
            return step.model is not None
        case _:
            return False


def _missed(expect: Expectation, scene: Scene, rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    if expect.state is not None and expect.state != scene.state:
        yield "state", f"expected the state {expect.state!r}"
    if expect.says is not None and expect.says not in " ".join(scene.said):
        yield "says", f"expected that it says {expect.says!r}"
    if expect.sms is not None and not any(expect.sms in message.text for message in scene.messages):
        yield "sms", f"expected a text message with {expect.sms!r}"
    state = rehearsal.state(scene)
    transfer = state.action.transfer if state and state.action and isinstance(scene.then, TransferTo) else None
    if expect.transfer is not None and (transfer is None or transfer.to != expect.transfer):
        yield "transfer", f"expected a transfer to {shown(expect.transfer)}"
    if expect.ends is not None and expect.ends != ending(scene):
        yield "ends", f"expected that it ends by {expect.ends}"
    for name, value in expect.variables.items():
        if scene.values.get(name) != value:
            yield f"variables.{name}", f"expected {value!r}, and it is {scene.values.get(name, '')!r}"


def ending(scene: Scene) -> str:
    """Return how a dialogue has ended; empty where it has not."""
    match scene.then:
        case TransferTo():
            return "transfer"
        case EndCall():
            return "hangup"
        case FallBack():
            return "fallback"
        case _:
            return ""


def shown(to: Destination) -> str:
    """Return a destination in a few words, such as `extension 101`."""
    for name, value in to.model_dump(mode="json", by_alias=True, exclude_none=True).items():
        if name == "hangup":
            return "the end of the call"
        if isinstance(value, dict):
            return f"{name} {', '.join(value.get('members', ()))}"
        return f"{name} {value}"
    return ""


def _now(scene: Scene) -> str:
    where = f"it is in state {scene.state!r}"
    if isinstance(scene.then, FallBack):
        where = f"it fell back in state {scene.state!r}, for {scene.then.reason}"
    elif end := ending(scene):
        where = f"it ended in state {scene.state!r}, by {end}"
    return f"{where}, and said {' '.join(scene.said)!r}" if scene.said else where
