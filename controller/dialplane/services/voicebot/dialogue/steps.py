"""What passes between a dialogue and who speaks for it: steps out, events in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialplane.resources.dialog import BotSms, Llm, Webhook
from dialplane.services.voicebot.speech.contract import Expected


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to say."""

    text: str
    language: str
    barge_in: bool = True
    """Whether the caller may interrupt it."""


@dataclass(frozen=True, slots=True)
class ExpectedKeys:
    """Which keys of a telephone are an answer."""

    exact: frozenset[str] = frozenset()
    """Each of them is one."""
    max_digits: int = 0
    """So many digits at most are one, too, ended by `#`; 0: no digits are."""

    def are_done(self, pressed: str) -> bool:
        """Return whether no further key can be part of the answer: it is complete, or none at all."""
        if self.max_digits and (len(pressed) >= self.max_digits or pressed.endswith("#")):
            return True
        if any(len(keys) > len(pressed) and keys.startswith(pressed) for keys in self.exact):
            return False
        return not (self.max_digits and pressed.isdigit())


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for an answer."""

    expected: Expected
    dtmf: bool
    """Whether keys are an answer."""
    end_of_turn_seconds: float
    no_input_seconds: float
    keys: ExpectedKeys = ExpectedKeys()
    """Those that are, for the moment at which the caller is done with them."""


@dataclass(frozen=True, slots=True)
class AskWebhook:
    """Ask a program; answer with `ActionEnded`."""

    webhook: Webhook
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AskModel:
    """Let a language model say the next thing, or name an intent; answer with `ModelAnswered` or `ActionEnded`."""

    llm: Llm
    said: tuple[tuple[str, str], ...]
    """Speaker (`caller` or `bot`) and words, of this state, in order."""


@dataclass(frozen=True, slots=True)
class SendSms:
    """Send a text message; answer with `ActionEnded` at once."""

    sms: BotSms
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class TransferTo:
    """The call goes on elsewhere: at the dialplan's entry for this state."""

    state: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """The call is over."""


@dataclass(frozen=True, slots=True)
class FallBack:
    """The bot cannot go on: the call goes to its fallback."""

    reason: str


Then = Listen | AskWebhook | AskModel | SendSms | TransferTo | EndCall | FallBack


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next."""

    state: str
    say: tuple[Utterance, ...]
    then: Then


@dataclass(frozen=True, slots=True)
class Answered:
    """The caller said something."""

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed keys, and is done with it."""

    keys: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller said nothing."""


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """An action is over: what it came to (empty: it failed), and the variables that it set."""

    outcome: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelAnswered:
    """The language model says something and wants an answer."""

    text: str


DialogueEvent = Answered | Pressed | Silence | ActionEnded | ModelAnswered
