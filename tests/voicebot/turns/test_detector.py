"""Who speaks: behind noise, and behind the bot's own echo."""

import numpy as np
import pytest

from dialplane.services.voicebot.turns.detector import TurnDetector
from dialplane.services.voicebot.turns.events import SpeechBegan, SpeechEnded, TurnEvent
from dialplane.services.voicebot.turns.settings import TurnSettings
from tests.voicebot import sounds
from tests.voicebot.sounds import Samples, delayed, frames, noise, quieter, silence, voice

BOT = np.concatenate([voice(1.3, pitch=95, seed=each) if each % 4 else silence(0.4) for each in range(1, 12)])
"""A bot that speaks on and on, with pauses."""


def heard(
    caller: Samples, bot: Samples | None = None, settings: TurnSettings | None = None
) -> list[tuple[float, TurnEvent]]:
    """Return what a detector finds, each with the second in which it finds it."""
    detector = TurnDetector(settings or TurnSettings())
    played: list[bytes | None] = [None] * len(frames(caller))
    if bot is not None:
        played[: len(frames(bot))] = frames(bot)[: len(played)]
    return [
        (detector.seconds, event)
        for frame, ear in zip(frames(caller), played, strict=True)
        for event in detector.hear(frame, ear)
    ]


def in_noise(*parts: Samples, level: float = 80) -> Samples:
    """Return sounds one after the other, on a line with noise."""
    sound = np.concatenate(parts)
    return sound + noise(len(sound) / sounds.RATE, level=level)


@pytest.mark.parametrize("level", [0.0, 80.0, 400.0])
def test_a_turn_begins_with_the_first_sound_and_ends_with_the_last(level: float) -> None:
    events = heard(in_noise(silence(1), voice(1.5), silence(1.5), level=level))
    (began_in, began), (ended_in, ended) = events
    assert isinstance(began, SpeechBegan)
    assert began_in == pytest.approx(1.1, abs=0.08)
    assert began.at == pytest.approx(1.0, abs=0.06)
    assert isinstance(ended, SpeechEnded)
    assert ended.at == pytest.approx(2.5, abs=0.12)
    assert ended_in == pytest.approx(ended.at + 0.7, abs=0.03)


def test_the_recogniser_gets_what_was_before_the_first_sound() -> None:
    caller = in_noise(silence(1), voice(1))
    ((found_in, began),) = heard(caller)
    assert isinstance(began, SpeechBegan)
    audio = sounds.pcm(caller)[: round(found_in * sounds.RATE) * 2]
    assert audio.endswith(began.audio)
    assert len(began.audio) / 2 / sounds.RATE == pytest.approx(found_in - began.at + 0.3, abs=0.03)


def test_noise_begins_no_turn() -> None:
    assert heard(in_noise(silence(10), level=600)) == []


def test_a_turn_ends_after_the_silence_that_is_asked_for_last() -> None:
    detector, ended = TurnDetector(), 0.0
    for frame in frames(in_noise(silence(0.5), voice(1), silence(2))):
        if detector.speaking:
            detector.end_of_turn_seconds = 0.3
        for event in detector.hear(frame, None):
            if isinstance(event, SpeechEnded):
                ended = detector.seconds - event.at
    assert ended == pytest.approx(0.3, abs=0.01)


def test_a_pause_within_an_answer_ends_no_turn() -> None:
    events = heard(in_noise(silence(0.5), voice(0.8), silence(0.4), voice(0.8, seed=2), silence(1)))
    assert [type(event) for _, event in events] == [SpeechBegan, SpeechEnded]


@pytest.mark.parametrize("decibels", [30, 20, 12])
@pytest.mark.parametrize("delay", [0.02, 0.06, 0.15, 0.3])
def test_the_bots_echo_is_no_caller(decibels: float, delay: float) -> None:
    echo = delayed(quieter(BOT, decibels), delay)
    assert heard(echo + noise(len(echo) / sounds.RATE), BOT) == []


@pytest.mark.parametrize("decibels", [30, 20, 12])
@pytest.mark.parametrize("delay", [0.02, 0.06, 0.15, 0.3])
def test_a_caller_interrupts_the_bot_behind_its_echo(decibels: float, delay: float) -> None:
    caller = np.concatenate([silence(3), voice(1.5, pitch=190, seed=7), silence(len(BOT) / sounds.RATE)])[: len(BOT)]
    echo = delayed(quieter(BOT, decibels), delay)
    found_in, began = heard(caller + echo + noise(len(echo) / sounds.RATE), BOT)[0]
    assert isinstance(began, SpeechBegan)
    assert 3.0 < found_in < 3.4


def test_a_caller_may_interrupt_the_first_word() -> None:
    caller = np.concatenate([silence(0.3), voice(1.5, pitch=190, seed=7), silence(1)])
    echo = delayed(quieter(BOT, 25), 0.1)[: len(caller)]
    found_in, _ = heard(caller + echo, BOT[: len(caller)])[0]
    assert found_in < 0.8


def test_an_echo_that_grows_is_learned() -> None:
    echo = delayed(quieter(BOT, 26), 0.1)
    louder = np.where(np.arange(len(echo)) < 5 * sounds.RATE, echo, 2 * echo)
    assert heard(louder + noise(len(echo) / sounds.RATE), BOT) == []
