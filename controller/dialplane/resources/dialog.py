"""The dialogue of a VoiceBot: a finite-state machine of what is said, asked and done."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dialplane.resources.base import Part
from dialplane.resources.destination import Destination
from dialplane.resources.distinct import Distinct
from dialplane.resources.fields import CallerNumber, HttpUrl, Language, ObjectName, SecretKeyRef
from dialplane.resources.rule import Rule, exactly_one
from dialplane.resources.text import Text

MOST_STATES = 128

Spoken = Annotated[
    str,
    Text(
        "a text to say: 1 to 1,000 characters without control characters; {variable} stands for its value",
        r"^[^\p{Cc}\x{2028}-\x{202e}\x{2066}-\x{2069}]{1,1000}$",
        1000,
    ),
]
"""What the bot says; `{caller}` and the variables of the dialogue stand in braces."""

Phrase = Annotated[
    str,
    Text(
        "a phrase that a caller may say: 1 to 80 letters, digits, spaces, apostrophes and dashes",
        r"^[\p{L}\p{N}]([\p{L}\p{M}\p{N}' -]{0,78}[\p{L}\p{M}\p{N}])?$",
        80,
    ),
]
"""What a caller may say."""

VariableName = Annotated[
    str, Text("a variable: a small letter, then up to 31 small letters, digits and _", r"^[a-z][a-z0-9_]{0,31}$", 32)
]
"""A variable of one call."""

Keys = Annotated[str, Text("keys of a telephone: 1 to 20 of 0-9, * and #", r"^[0-9*#]{1,20}$", 20)]
"""What a caller may press."""


class Say(Part):
    """Something that the bot says: exactly one of text and prompt."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("say-one", "text", "prompt"),)

    text: Spoken | None = None
    """The words."""
    prompt: ObjectName | None = None
    """One of `spec.prompts`, by its name."""
    language: Language | None = None
    """The language of the words, where it is not the bot's."""


class Choice(Part):
    """One of several answers."""

    value: ObjectName
    """What the answer is called in transitions, and what its variable becomes."""
    phrases: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=32)]
    """What callers say who mean it."""
    dtmf: Keys | None = None
    """What they may press instead."""


class Collect(Part):
    """An answer that the bot waits for."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="collect-choices",
            message="set choices for the grammar choices, and for no other",
            field="choices",
            cel="(self.grammar == 'choices') == (has(self.choices) && self.choices.size() > 0)",
            holds=lambda collect: (collect.grammar == "choices") == bool(collect.choices),
        ),
        Rule(
            id="collect-digits",
            message="minDigits may not be more than maxDigits",
            field="minDigits",
            cel="(has(self.minDigits) ? self.minDigits : 1) <= (has(self.maxDigits) ? self.maxDigits : 32)",
            holds=lambda collect: collect.min_digits <= collect.max_digits,
        ),
    )

    grammar: Literal["words", "digits", "yesNo", "date", "choices"]
    """What sort of answer it is. `words` takes anything and needs a recogniser of free speech."""
    choices: Annotated[tuple[Choice, ...], Field(max_length=64), Distinct(keys=("value",))] = ()
    """The answers, for the grammar `choices`."""
    variable: VariableName | None = None
    """Where the answer is kept: the value of a choice, digits, `yes` or `no`, a date as `2026-12-31`, or the words."""
    dtmf: bool = True
    """Take keys, too: of a choice its own, for `yesNo` 1 and 2, for `digits` the digits, ended by `#`."""
    min_digits: Annotated[int, Field(ge=1, le=32)] = 1
    """For the grammar `digits`."""
    max_digits: Annotated[int, Field(ge=1, le=32)] = 32
    """For the grammar `digits`."""
    end_of_turn_seconds: Annotated[float, Field(ge=0.2, le=3)] = 0.7
    """Silence that ends the answer. One that is complete by its grammar ends after 0.3 s."""


class Transition(Part):
    """Where an answer leads: exactly one of these, and `to`."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("transition-one", "intent", "keyword", "dtmf", "answered", "noInput", "noMatch"),
    )

    intent: ObjectName | None = None
    """This answer: the value of a choice, `yes`, `no`, or an intent of the language model."""
    keyword: Phrase | None = None
    """An answer of the grammar `words` that has these words in it."""
    dtmf: Keys | None = None
    """These keys, whatever the grammar."""
    answered: Literal[True] | None = None
    """Any answer that no other transition takes."""
    no_input: Literal[True] | None = None
    """Silence, after it was asked `spec.noInput.attempts` times."""
    no_match: Literal[True] | None = None
    """No answer that fits, after it was asked `spec.noMatch.attempts` times."""
    to: ObjectName
    """The state that follows."""


class Transfer(Part):
    """The call goes on elsewhere, and the bot leaves it."""

    to: Destination
    """Where to: exactly one of these. It stands in the manifest; no caller can say another one."""


class Outcome(Part):
    """What an answer of a program leads to."""

    outcome: ObjectName
    """The `outcome` of its answer."""
    to: ObjectName
    """The state that follows."""


class Webhook(Part):
    """A program is asked, by `POST` with JSON: what the call is about, and its variables.

    It answers `{"outcome": NAME, "variables": {NAME: TEXT}}`.
    """

    url: HttpUrl
    """Its address, such as `https://crm.example.com/hooks/orders`."""
    secret_ref: SecretKeyRef | None = None
    """The secret that requests are signed with, in headers alone: `X-Timestamp` (seconds since 1970) and `X-Signature`
    (`sha256=` and the hexadecimal HMAC-SHA256 of timestamp, a dot and the body)."""
    timeout_seconds: Annotated[int, Field(ge=1, le=15)] = 4
    """How long the caller waits for it."""
    allow_private_address: bool = False
    """It is in the site's own network: an address that is not public is asked for."""
    outcomes: Annotated[tuple[Outcome, ...], Field(max_length=32), Distinct(keys=("outcome",))] = ()
    """Where its answer leads."""
    otherwise: ObjectName
    """The state that follows another answer, an error, or none in time."""


class SetVariable(Part):
    """A variable becomes something."""

    name: VariableName
    """The variable."""
    value: Annotated[str, Text("a value of up to 200 characters", r"^[^\p{Cc}]{0,200}$", 200)]
    """Its value; variables stand in braces."""


class BotSms(Part):
    """A text message is sent."""

    dongle: ObjectName
    """The Dongle that sends it."""
    to: CallerNumber | None = None
    """The number that gets it; by default the caller's."""
    text: Spoken
    """The message; variables stand in braces."""


class Intent(Part):
    """Something that a caller may want, for a language model to find out."""

    name: ObjectName
    """What it is called in `outcomes`."""
    description: Annotated[str, Text("a description of up to 300 characters", r"^[^\p{Cc}]{1,300}$", 300)]
    """When it is meant."""


class Llm(Part):
    """A language model talks with the caller until it finds out what they want. It never acts: it names an intent."""

    url: HttpUrl = "https://api.openai.com/v1"
    """Where the chat completions of OpenAI's protocol are: `URL/chat/completions`."""
    secret_ref: SecretKeyRef
    """Its key."""
    model: Annotated[str, Text("the name of a model", r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$", 100)]
    """The model."""
    instructions: Annotated[str, Text("instructions of up to 4,000 characters", r"^[^\x00]+$", 4000)]
    """What it is to find out, and how it is to speak."""
    max_turns: Annotated[int, Field(ge=1, le=20)] = 6
    """Answers of the caller at most."""
    timeout_seconds: Annotated[int, Field(ge=1, le=30)] = 8
    """How long its answer may take."""
    intents: Annotated[tuple[Intent, ...], Field(min_length=1, max_length=32), Distinct(keys=("name",))]
    """What it may find out."""
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1, max_length=32), Distinct(keys=("outcome",))]
    """Where each intent leads."""
    otherwise: ObjectName
    """The state that follows where it finds out nothing, or fails."""


class Action(Part):
    """Something that the bot does: exactly one of these."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("bot-action-one", "transfer", "webhook", "setVariable", "sms", "llm", "hangup"),
    )

    transfer: Transfer | None = None
    """Send the call on."""
    webhook: Webhook | None = None
    """Ask a program."""
    set_variable: SetVariable | None = None
    """Set a variable."""
    sms: BotSms | None = None
    """Send a text message."""
    llm: Llm | None = None
    """Let a language model find out what the caller wants."""
    hangup: Literal[True] | None = None
    """End the call."""


class State(Part):
    """One state: it says something, and then asks, acts, or goes on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="state-one-end",
            message="a state ends in exactly one of collect (with transitions), action, and next; setVariable and sms "
            "need next",
            field="",
            cel="has(self.collect) == (has(self.transitions) && self.transitions.size() > 0) && "
            "(has(self.collect) ? !has(self.action) && !has(self.next) : has(self.action) ? "
            "(has(self.action.setVariable) || has(self.action.sms)) == has(self.next) : has(self.next))",
            holds=lambda state: state.has_one_end,
        ),
    )

    name: ObjectName
    """What it is called in transitions, and in the transcript."""
    say: Say | None = None
    """What it says first."""
    collect: Collect | None = None
    """The answer that it waits for."""
    transitions: Annotated[tuple[Transition, ...], Field(max_length=64)] = ()
    """Where answers lead; the first one that fits counts. An answer that none takes is asked for again."""
    action: Action | None = None
    """What it does."""
    next: ObjectName | None = None
    """The state that follows."""
    barge_in: bool | None = None
    """Whether the caller may interrupt what it says; by default as `spec.bargeIn`."""

    @property
    def has_one_end(self) -> bool:
        """Whether it ends in one way."""
        if self.collect is not None:
            return self.action is None and self.next is None and bool(self.transitions)
        if self.transitions:
            return False
        if self.action is None:
            return self.next is not None
        goes_on = self.action.set_variable is not None or self.action.sms is not None
        return goes_on == (self.next is not None)


class Dialog(Part):
    """A dialogue as a finite-state machine."""

    start: ObjectName
    """The first state."""
    states: Annotated[tuple[State, ...], Field(min_length=1, max_length=MOST_STATES), Distinct(keys=("name",))]
    """The states."""
