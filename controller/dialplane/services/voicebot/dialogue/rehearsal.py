"""A dialogue without a call: somebody plays the caller and the programs that are asked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from dialplane.resources.dialog import State
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.dialogue.machine import Dialogue
from dialplane.services.voicebot.dialogue.steps import (
    ActionEnded,
    AskModel,
    AskWebhook,
    DialogueEvent,
    EndCall,
    FallBack,
    Listen,
    SendSms,
    Step,
    Then,
    TransferTo,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the bot says and does after an event, until it waits again or the dialogue ends."""

    state: str
    said: tuple[str, ...]
    messages: tuple[SendSms, ...]
    """Text messages that it sends."""
    then: Then
    values: Mapping[str, str] = field(default_factory=dict)
    """The variables."""

    @property
    def is_over(self) -> bool:
        """Whether the dialogue has ended."""
        return isinstance(self.then, TransferTo | EndCall | FallBack)


class Rehearsal:
    """One way through a dialogue. Text messages count as sent; all else is asked for."""

    def __init__(self, spec: VoiceBotSpec, caller: str, today: date) -> None:
        """Prepare a call.

        Args:
            spec: of a bot with a dialogue.
            caller: the number that calls.
            today: the date where the bot is.
        """
        self._states = {state.name: state for state in spec.dialog.states} if spec.dialog else {}
        self._dialogue = Dialogue(spec, caller, today=today)

    def begin(self) -> Scene:
        """Take the call."""
        return self._until_it_waits(self._dialogue.begin())

    def play(self, event: DialogueEvent) -> Scene:
        """Go on."""
        return self._until_it_waits(self._dialogue.advance(event))

    def state(self, scene: Scene) -> State | None:
        """Return what the manifest says of the state of a scene."""
        return self._states.get(scene.state)

    def _until_it_waits(self, step: Step) -> Scene:
        said, messages = [each.text for each in step.say], []
        while isinstance(step.then, SendSms):
            messages.append(step.then)
            step = self._dialogue.advance(ActionEnded("queued"))
            said += [each.text for each in step.say]
        return Scene(step.state, tuple(said), tuple(messages), step.then, dict(self._dialogue.variables))


def waits_for(then: Then) -> str:
    """Return what must come next, for people; empty where the dialogue is over."""
    match then:
        case Listen():
            return "an answer of the caller"
        case AskWebhook():
            return "the answer of the webhook"
        case AskModel():
            return "the answer of the language model"
        case _:
            return ""
