"""Metrics of a replica of bots. docs/operations.md explains each. No label names a bot or a caller."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from dialplane.services.voicebot.speech.contract import SpeechFault
from dialplane.services.voicebot.tables.calls import CallOutcome


class TurnPart(StrEnum):
    """What the way from the caller's last sound to the bot's first is made of; the keys in `Turn.details`."""

    END_OF_SPEECH = "end_of_speech"
    RECOGNITION = "recognition"
    DECISION = "decision"
    FIRST_AUDIO = "first_audio"


class Refused(StrEnum):
    """Why a caller was not taken; Asterisk tries another replica, then the fallback."""

    BUSY = "busy"
    """This process has as many calls, or as much speech, as it can bear."""
    UNSERVED = "unserved"
    """The bot is not served here: none of that name, or not ready."""
    FAILED = "failed"
    """Its media could not be set up."""


_BUCKETS: Final = (0.01, 0.02, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0)

ACTIVE: Final = Gauge("dialplane_bot_calls_active", "Calls that bots speak in, in this process.")
CALLS: Final = Counter("dialplane_bot_calls_total", "Calls of bots that are over, by outcome.", ["outcome"])
REFUSED: Final = Counter("dialplane_bot_refused_total", "Callers that this process did not take, by why.", ["reason"])
TURN: Final = Histogram(
    "dialplane_bot_turn_seconds",
    "From a caller's last sound to the bot's first, by part.",
    ["part"],
    buckets=_BUCKETS,
)
SPEECH_FAULTS: Final = Counter(
    "dialplane_bot_speech_faults_total", "Times that a speech provider did not serve.", ["provider", "fault"]
)
WORKERS: Final = Gauge("dialplane_bot_speech_workers", "Processes of speech engines, by whether they work.", ["state"])
WAITING: Final = Gauge("dialplane_bot_speech_waiting", "What waits for a process of the speech engines.")
STALE: Final = Counter("dialplane_bot_stale_audio_seconds_total", "Audio of callers dropped because it came too late.")
CONNECTED: Final = Gauge("dialplane_bot_connected", "1 while this process takes calls of Asterisk's.")
PROBES: Final = Counter("dialplane_bot_probes_total", "Proofs that a bot hears and is heard, by result.", ["result"])

_OUTCOMES: Final = {outcome: CALLS.labels(outcome) for outcome in CallOutcome}
_PARTS: Final = {part: TURN.labels(part) for part in TurnPart}
for _reason in Refused:
    REFUSED.labels(_reason)


def count_begin() -> None:
    """Note that a bot took a call."""
    ACTIVE.inc()


def count_end(outcome: CallOutcome) -> None:
    """Note that a call that a bot took is over."""
    ACTIVE.dec()
    _OUTCOMES[outcome].inc()


def count_turn(details: Mapping[str, object]) -> None:
    """Note how long a bot took to answer, by the `details` of a turn."""
    for part, seconds in _PARTS.items():
        value = details.get(part)
        if isinstance(value, int | float):
            seconds.observe(value)


def count_fault(provider: str, fault: SpeechFault) -> None:
    """Note that a speech provider, by its name in manifests, did not serve."""
    SPEECH_FAULTS.labels(provider, fault).inc()
