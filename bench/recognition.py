"""What offline recognition is worth: `python -m bench.recognition`.

Answers and other speech of three synthetic voices over a line (300-3400 Hz, 25 dB of speech over noise, G.711)
are decoded as in a call. Answers are right, wrong (another value), or rejected; other speech is accepted or not. Counts
and processor time do not depend on the machine's load. None of these sentences was used to set the rejection's weights.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from dialplane.services.voicebot.dialogue.lexicon import ENGLISH
from dialplane.services.voicebot.dialogue.spoken_dates import date_of
from dialplane.services.voicebot.dialogue.spoken_numbers import digits_of
from dialplane.services.voicebot.dialogue.wording import best_value
from dialplane.services.voicebot.speech.contract import RATE, Expected, Grammar
from dialplane.services.voicebot.speech.decoding import AnswerDecoder
from dialplane.services.voicebot.speech.phrases import english_answers
from testbed.voices import locate_voices, over_the_telephone, spoken

VOICES: Final = ("slt", "rms", "awb")
SNR_DB: Final = 25
TODAY: Final = date(2026, 12, 1)
_BEFORE: Final = bytes(RATE * 2 * 3 // 10)
_AFTER: Final = bytes(RATE * 2 * 4 // 10)

CHOICES: Final = Expected(
    Grammar.CHOICES,
    {
        "orders": ("orders", "my order", "track a parcel"),
        "returns": ("returns", "send something back", "a refund"),
        "repairs": ("repairs", "the workshop", "repair service"),
        "reception": ("reception", "the front desk", "a colleague"),
    },
)
YES_NO: Final = Expected(Grammar.YES_NO, {"yes": ENGLISH.yes, "no": ENGLISH.no})
DIGITS: Final = Expected(Grammar.DIGITS, min_digits=3, max_digits=6)
DATE: Final = Expected(Grammar.DATE)

ANSWERS: Final[Mapping[str, tuple[Expected, Sequence[str]]]] = {
    "choices": (
        CHOICES,
        (
            *(
                "orders",
                "my order please",
                "track a parcel",
                "returns please",
                "send something back",
                "I want a refund",
            ),
            *("repairs", "the workshop please", "repair service", "reception", "the front desk", "a colleague please"),
        ),
    ),
    "yes or no": (
        YES_NO,
        (
            *("yes", "yes I do", "okay", "absolutely", "go ahead", "that's right", "yes please", "certainly"),
            *("no", "no thanks", "incorrect", "not now", "no I don't", "definitely"),
        ),
    ),
    "digits": (
        DIGITS,
        (
            "two four six",
            "nine one five",
            "seven three seven oh",
            "my number is one eight two six",
            "double three five",
        ),
    ),
    "dates": (
        DATE,
        ("yesterday", "the second of june", "july fourth", "next wednesday", "on thursday", "in three days"),
    ),
}
OTHER: Final = (
    *("the birch canoe slid on the smooth planks", "rice is often served in round bowls"),
    *("the juice of lemons makes fine punch", "four hours of steady work faced us"),
    *("a large size in stockings is hard to sell", "the boy was there when the sun rose"),
    *("what is that noise", "my car does not start", "who am I speaking with", "can you say that again"),
    *("there is somebody at the door", "hold the line", "good evening", "elephant", "it was on television"),
    *("we have been waiting for hours", "my husband is at work", "lovely weather", "I am on the bus", "turn left here"),
)


@dataclass
class RecognitionCount:
    """What came of one grammar."""

    answers: Counter[str] = field(default_factory=Counter)
    """`right`, `wrong`, `rejected`."""
    others: Counter[str] = field(default_factory=Counter)
    """`accepted`, `rejected`."""
    audio_seconds: float = 0
    cpu_seconds: float = 0


def value_of(expected: Expected, text: str) -> str | None:
    """Return the value of what was said."""
    match expected.grammar:
        case Grammar.DIGITS:
            return digits_of(text, ENGLISH)
        case Grammar.DATE:
            day = date_of(text, ENGLISH, TODAY, month_first=True)
            return day.isoformat() if day else None
        case _:
            return best_value(text, expected.phrases, "en")


def recognised(expected: Expected, audio: bytes) -> str:
    """Return what is understood of some audio, decoded as in a call."""
    graph = english_answers(expected)
    flite = str(locate_voices().flite)
    decoder = AnswerDecoder.of({"arcs": graph.arcs, "start": graph.start, "end": graph.end, "flite": flite})
    for at in range(0, len(audio), 640):
        decoder.hear(audio[at : at + 640])
    return str(decoder.finish()["text"])


def over_a_line(text: str, voice: str) -> bytes:
    """Return what a voice says, as it arrives over a telephone line."""
    return over_the_telephone(_BEFORE + spoken(text, voice) + _AFTER, snr_db=SNR_DB)


def count(expected: Expected, answers: Sequence[str], others: Sequence[str]) -> RecognitionCount:
    """Return what comes of answers and of other speech, in all voices."""
    counted = RecognitionCount()
    for voice in VOICES:
        for text in (*answers, *others):
            audio = over_a_line(text, voice)
            begun = time.process_time()
            value = value_of(expected, recognised(expected, audio))
            counted.cpu_seconds += time.process_time() - begun
            counted.audio_seconds += len(audio) / RATE / 2
            if text in answers:
                right = value == value_of(expected, text.lower())
                counted.answers["rejected" if value is None else "right" if right else "wrong"] += 1
            else:
                counted.others["rejected" if value is None else "accepted"] += 1
    return counted


def main() -> None:
    """Measure, and print a table."""
    for name, (expected, answers) in ANSWERS.items():
        counted = count(expected, answers, OTHER)
        said, other = counted.answers.total(), counted.others.total()
        sys.stdout.write(
            f"{name:10} right {counted.answers['right']}/{said}, wrong {counted.answers['wrong']}, "
            f"rejected {counted.answers['rejected']}; other speech accepted {counted.others['accepted']}/{other}; "
            f"{counted.cpu_seconds / counted.audio_seconds:.3f} s of CPU for a second of audio\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
