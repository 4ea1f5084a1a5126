"""What one call of a bot is made of, and how it ends: the interface between the media, the speech and the talk."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from dialplane.asterisk.media_events import MediaEvent
from dialplane.services.voicebot.bot.call_log import CallLog
from dialplane.services.voicebot.desired import DesiredBot
from dialplane.services.voicebot.dialogue.answers import BotActions
from dialplane.services.voicebot.speech.contract import RealtimeModel, Recognizer, Synthesizer
from dialplane.services.voicebot.tables.calls import CallOutcome

if TYPE_CHECKING:
    from dialplane.services.voicebot.bot.recording import Recordings


class CallMedia(Protocol):
    """The audio of one caller (`asterisk.media.MediaSocket`). What is sent after its end is dropped in silence."""

    def events(self) -> AsyncIterator[MediaEvent]:
        """Yield what comes, once; it ends when the channel is gone, whatever the cause."""

    async def play(self, audio: bytes) -> None:
        """Queue audio of any length, padded to whole frames."""

    async def mark(self, mark: str) -> None:
        """Queue a mark of up to 60 characters; `MediaMark` comes when all that was queued before has been played."""

    async def flush(self) -> None:
        """Drop what is queued, audio and marks, at once."""

    async def room(self) -> None:
        """Wait until there is room for more audio."""

    async def hang_up(self) -> None:
        """End the media channel; the caller goes on in the dialplan."""


class BotSpeech(Protocol):
    """What understands and what speaks for one bot (`speech.providers.SpeechProviders`)."""

    @property
    def recognizer(self) -> Recognizer | None:
        """For a dialogue."""

    @property
    def synthesizer(self) -> Synthesizer | None:
        """For a dialogue, and for what a realtime bot says by itself, such as its consent to recordings."""

    @property
    def realtime(self) -> RealtimeModel | None:
        """Instead of a dialogue."""

    def speak(self, text: str, language: str) -> AsyncIterator[bytes]:
        """Yield the audio of a text, at once where it is cached.

        Raises:
            SpeechError: the synthesizer does not serve.
        """


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call."""

    media: CallMedia
    bot: DesiredBot
    name: str
    """The bot's."""
    call_id: str
    """As in `BotCall.id`."""
    caller: str
    """The number; empty where it is hidden."""
    log: CallLog
    """Gets the turns; who owns the media writes the call's beginning and its end."""
    speech: BotSpeech
    actions: BotActions
    recordings: "Recordings | None" = None
    """Where the call is recorded, where the bot records."""
    now: Callable[[], datetime] = _utc_now


@dataclass(frozen=True, slots=True)
class Ended:
    """How a talk ended."""

    next: str
    """For the dialplan (`plan.voice_bots.next_code`): the state or the name of a transfer, `hangup`, or empty for the
    fallback."""
    outcome: CallOutcome
    reason: str = ""
    """A sentence, where it goes to the fallback."""
    state: str = ""
    """The last state of the dialogue."""
    variables: Mapping[str, str] = field(default_factory=dict)
    recording: str | None = None
    """The key of the recording in the storage; it is there some time soon."""

    @property
    def target(self) -> str:
        """The transfer that it takes; empty where there is none."""
        return self.next if self.outcome is CallOutcome.TRANSFERRED else ""
