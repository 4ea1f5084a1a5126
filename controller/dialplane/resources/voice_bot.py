"""VoiceBot: a program that speaks with callers."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.destination import Destination, RingGroup
from dialplane.resources.dialog import Dialog, Spoken
from dialplane.resources.distinct import Distinct
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.fields import (
    DialNumber,
    ExtensionNumber,
    HttpUrl,
    Language,
    ObjectName,
    SecretKeyRef,
    Timestamp,
)
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind
from dialplane.resources.rule import Rule, exactly_one
from dialplane.resources.status import Status
from dialplane.resources.text import Text

ModelName = Annotated[str, Text("the name of a model", r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$", 100)]
VoiceName = Annotated[str, Text("the name of a voice", r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$", 64)]


def _needs_key(part: "SpeechToText | TextToSpeech") -> bool:
    return (part.provider == "offline") == (part.secret_ref is None)


class SpeechToText(Part):
    """How the bot understands."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="speech-to-text-key",
            message="elevenlabs needs secretRef, and offline takes none",
            field="secretRef",
            cel="(self.provider == 'offline') == !has(self.secretRef)",
            holds=_needs_key,
        ),
    )

    provider: Literal["offline", "elevenlabs"] = "offline"
    """`offline` understands the answers that a state expects, in English; `elevenlabs` is a service on the Internet,
    and understands free speech and other languages, too."""
    secret_ref: SecretKeyRef | None = None
    """The provider's key."""
    model: ModelName | None = None
    """The provider's model; by default its newest for telephones."""
    url: HttpUrl | None = None
    """Another address of the same protocol, such as a proxy of one's own."""


class TextToSpeech(Part):
    """How the bot speaks."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="text-to-speech-key",
            message="elevenlabs needs secretRef, and offline takes none",
            field="secretRef",
            cel="(self.provider == 'offline') == !has(self.secretRef)",
            holds=_needs_key,
        ),
    )

    provider: Literal["offline", "elevenlabs"] = "offline"
    """`offline` speaks English with flite and other languages with espeak-ng; `elevenlabs` is a service on the
    Internet."""
    voice: VoiceName | None = None
    """The provider's voice; of flite `slt`, `rms`, `awb` and `kal16`."""
    secret_ref: SecretKeyRef | None = None
    """The provider's key."""
    model: ModelName | None = None
    """The provider's model."""
    url: HttpUrl | None = None
    """Another address of the same protocol, such as a proxy of one's own."""


class NamedTransfer(Part):
    """Somewhere a speech model may send the call on to."""

    name: ObjectName
    """What it is called there."""
    description: Annotated[str, Text("a description of up to 300 characters", r"^[^\p{Cc}]{1,300}$", 300)]
    """When it is meant."""
    to: Destination
    """Where to: exactly one of these."""


class Realtime(Part):
    """A model that hears and speaks by itself."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="realtime-transfers",
            message="models of doubao call no functions: leave transfers out, or use openai",
            field="transfers",
            cel="self.provider == 'openai' || self.transfers.size() == 0",
            holds=lambda realtime: realtime.provider == "openai" or not realtime.transfers,
        ),
    )

    provider: Literal["openai", "doubao"]
    """`openai` speaks OpenAI's Realtime protocol, `doubao` that of Volcengine's realtime dialogue."""
    secret_ref: SecretKeyRef
    """The provider's key; of `doubao` the application's id, a colon, and its access key."""
    model: ModelName | None = None
    """The provider's model."""
    voice: VoiceName | None = None
    """The provider's voice."""
    instructions: Annotated[str, Text("instructions of up to 8,000 characters", r"^[^\x00]+$", 8000)]
    """What it is to do, and how it is to speak."""
    url: HttpUrl | None = None
    """Another address of the same protocol, such as a proxy of one's own."""
    transfers: Annotated[tuple[NamedTransfer, ...], Field(max_length=16), Distinct(keys=("name",))] = ()
    """Where it may send the call on to; with `openai` alone."""


class ExternalEngine(Part):
    """Another program speaks with the callers."""

    url: HttpUrl
    """Where it takes a WebSocket of Asterisk's `chan_websocket` for each call, such as `https://bots.example.com/call`;
    frames are slin16, control messages JSON."""
    secret_ref: SecretKeyRef | None = None
    """What it is shown as `Authorization: Bearer`."""
    allow_private_address: bool = False
    """It is in the site's own network: an address that is not public is asked for."""


class Engine(Part):
    """What speaks with the callers in the bot's place."""

    external: ExternalEngine
    """Another program."""


class Prompt(Part):
    """Something that several states say."""

    name: ObjectName
    """What `say.prompt` calls it."""
    text: Spoken
    """The words."""
    language: Language | None = None
    """Their language, where it is not the bot's."""


class NoInput(Part):
    """What happens when a caller says nothing."""

    after_seconds: Annotated[int, Field(ge=2, le=30)] = 5
    """Silence after what the bot said."""
    say: Spoken = "I did not hear anything."
    """What it says then, before it asks again."""
    attempts: Annotated[int, Field(ge=1, le=5)] = 2
    """How often it asks, before the transition `noInput`, or else the fallback."""


class NoMatch(Part):
    """What happens when an answer is not understood."""

    say: Spoken = "I did not understand."
    """What it says then, before it asks again."""
    attempts: Annotated[int, Field(ge=1, le=5)] = 3
    """How often it asks, before the transition `noMatch`, or else the fallback."""


class BotRecording(Part):
    """Recordings of what both said."""

    consent: Spoken
    """What callers hear before anything else, such as `This call is recorded.` in their language."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long they are kept, in days."""


def _leads_to_bot(group: RingGroup | None) -> bool:
    return group is not None and group.no_answer is not None and group.no_answer.voice_bot is not None


class FallbackDestination(Part):
    """Where a call goes that the bot cannot serve: exactly one of these."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("fallback-one", "extension", "ringGroup", "voicemail", "number", "hangup"),
        Rule(
            id="fallback-no-bot",
            message="a fallback leads to no VoiceBot, which may be the one that cannot serve: send callers elsewhere",
            field="ringGroup",
            cel="!has(self.ringGroup) || !has(self.ringGroup.noAnswer) || !has(self.ringGroup.noAnswer.voiceBot)",
            holds=lambda to: not _leads_to_bot(to.ring_group),
        ),
    )

    extension: ExtensionNumber | None = None
    """Ring this extension, such as `"101"`."""
    ring_group: RingGroup | None = None
    """Ring several extensions."""
    voicemail: ExtensionNumber | None = None
    """Take a message for this extension; its voicemail must be enabled."""
    number: DialNumber | None = None
    """Dial this number through an outbound route, such as `"+49301234567"`."""
    hangup: Literal[True] | None = None
    """End the call."""

    @property
    def destination(self) -> Destination:
        """The same as a destination."""
        return Destination.model_construct(**{name: getattr(self, name) for name in type(self).model_fields})


class Fallback(Part):
    """Where callers go when the bot cannot serve them."""

    to: FallbackDestination
    """Where they go. Asterisk does this by itself, whatever happened to the bot and to the controller."""


class VoiceBotSpec(Spec):
    """A program that speaks with callers."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("voice-bot-one", "dialog", "realtime", "engine"),)

    enabled: bool = True
    """Take calls. Without it they go to the fallback."""
    number: ExtensionNumber | None = None
    """The number that extensions dial to speak with it; no Extension has it."""
    language: Language = "en"
    """The language that it speaks and understands, such as `en` or `de`."""
    greeting: Spoken | None = None
    """What it says first."""
    speech_to_text: SpeechToText = SpeechToText()
    """How it understands, for a dialogue."""
    text_to_speech: TextToSpeech = TextToSpeech()
    """How it speaks, for a dialogue."""
    dialog: Dialog | None = None
    """What it says, asks and does."""
    realtime: Realtime | None = None
    """Instead of a dialogue: a model that hears and speaks by itself."""
    engine: Engine | None = None
    """Instead of a dialogue: another program."""
    prompts: Annotated[tuple[Prompt, ...], Field(max_length=64), Distinct(keys=("name",))] = ()
    """What several states say."""
    barge_in: bool = True
    """Let callers interrupt it."""
    no_input: NoInput = NoInput()
    """What happens when a caller says nothing."""
    no_match: NoMatch = NoMatch()
    """What happens when an answer is not understood."""
    max_concurrent_calls: Annotated[int, Field(ge=1, le=500)] = 10
    """Calls at a time; one more goes to the fallback."""
    max_call_seconds: Annotated[int, Field(ge=10, le=7200)] = 900
    """After so long a call goes to the fallback."""
    recording: BotRecording | None = None
    """Record the calls; without it none is."""
    transcript_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long transcripts are kept, in days."""
    fallback: Fallback
    """Where callers go when it cannot serve them."""


class VoiceBotStatus(Status):
    """What is known of the bot."""

    active_calls: Annotated[int, Field(ge=0)] | None = None
    """Calls that it speaks in."""
    last_call_at: Timestamp | None = None
    """When the last one began."""
    answered_today: Annotated[int, Field(ge=0)] | None = None
    """Calls that it took since midnight, in the Asterisk's time zone."""


EVENTS: Final = (
    EventType(name="voicebot.call", title="Call with bot {name}", folded=False),
    EventType(name="voicebot.failed", title="Bot {name} could not serve a caller", severity=Severity.WARNING),
)


KIND: Final = Kind(
    name="VoiceBot",
    plural="voicebots",
    singular="voicebot",
    short_names=("bot",),
    spec=VoiceBotSpec,
    status=VoiceBotStatus,
    columns=(
        Column("Language", ".spec.language"),
        Column("Calls", ".status.activeCalls", "integer"),
        Column("Today", ".status.answeredToday", "integer"),
        READY,
        AGE,
        Column("Last-Call", ".status.lastCallAt", "date", wide=True),
        *WHY,
    ),
    description="A program that speaks with callers: it asks, understands, transfers.",
    rendered=True,
    service="voicebot",
    confirmed=True,
    kept=("activeCalls", "lastCallAt", "answeredToday"),
    watched=True,
    events=EVENTS,
)
