"""How a bot talks whose model hears and speaks by itself: audio both ways, and a caller who interrupts."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.speech.contract import (
    CallerBegan,
    ModelChose,
    ModelSpoke,
    ModelTurnEnded,
    RealtimeEvent,
    SaidText,
    SpeechError,
    SpeechFault,
)
from dialplane.services.voicebot.tables.calls import CallOutcome
from tests.voicebot import sounds
from tests.voicebot.bot.line import Line
from tests.voicebot.bot.speech_parts import LetterSynthesizer, Parts, ScriptedModel, ScriptedSession
from tests.voicebot.bot.talking import Talked, talk

WORD = sounds.voice(0.9, pitch=190, seed=7)
TEXT = "Welcome to the example company. How can I help you?"
SPEECH = sounds.pcm(sounds.voice(4.0, pitch=95))
Act = Callable[[ScriptedSession, Line], object]


def spec(**fields: Any) -> VoiceBotSpec:
    """Return a bot with a model."""
    realtime = {
        "provider": "openai",
        "secretRef": {"name": "speech", "key": "key"},
        "instructions": "Be brief.",
        "transfers": [{"name": "sales", "description": "Wants to buy.", "to": {"extension": "101"}}],
    }
    value = {"greeting": "Hello.", "realtime": realtime, "fallback": {"to": {"hangup": True}}, **fields}
    return VoiceBotSpec.model_validate_json(json.dumps(value))


def call(*acts: tuple[float, Act], line: Line | None = None, bot: VoiceBotSpec | None = None) -> Talked:
    """Hold a call in which the model and the caller do something at some seconds."""
    session = ScriptedSession()
    parts = Parts(synthesizer=LetterSynthesizer(), realtime=ScriptedModel(session))

    def bound(act: Act) -> Callable[[Line], object]:
        return lambda line: act(session, line)

    talked = talk(bot or spec(), {second: bound(act) for second, act in acts}, parts, line=line)
    talked.session = session  # type: ignore[attr-defined]
    assert session.closed
    return talked


def model(*events: RealtimeEvent | SpeechError | None) -> Act:
    """Have the model say or do something."""

    def act(session: ScriptedSession, _: Line) -> None:
        for event in events:
            session.said.put_nowait(event)

    return act


def speaks(_: ScriptedSession, line: Line) -> None:
    """Have the caller say a word."""
    line.speak(WORD)


SPOKEN = (ModelSpoke(SPEECH, "item-1"), SaidText("bot", TEXT), ModelTurnEnded())


def test_the_model_is_heard_and_sends_the_call_on_when_it_has_been() -> None:
    talked = call((0.1, model(*SPOKEN, ModelChose("sales"))))
    assert talked.ended == Ended("sales", CallOutcome.TRANSFERRED)
    assert talked.seconds == pytest.approx(4.1, abs=0.1)
    assert b"".join(audio for _, audio in talked.line.heard) == SPEECH
    (turn,) = talked.log.turns
    assert (turn.text, turn.details["heard_seconds"]) == (TEXT, pytest.approx(4.0, abs=0.03))


def test_a_caller_interrupts_the_model_which_learns_what_was_heard() -> None:
    talked = call((0.1, model(*SPOKEN)), (2.1, speaks), (4.5, model(ModelChose("hangup"))))
    assert talked.ended == Ended("hangup", CallOutcome.COMPLETED)
    assert talked.last_sound(before=60) < 2.3
    session = talked.session  # type: ignore[attr-defined]
    assert session.was_heard == [("item-1", pytest.approx(talked.last_sound(before=60) - 0.12, abs=0.05))]
    assert talked.log.turns[0].details["interrupted"] is True


def test_what_still_comes_of_an_interrupted_utterance_is_dropped() -> None:
    talked = call(
        (0.1, model(ModelSpoke(SPEECH, "item-1"))),
        (2.1, speaks),
        (2.5, model(ModelSpoke(SPEECH, "item-1"))),
        (4.0, model(ModelChose("hangup"))),
    )
    assert talked.last_sound(before=60) < 2.3


def test_the_model_may_say_that_the_caller_began() -> None:
    talked = call((0.1, model(*SPOKEN)), (1.1, model(CallerBegan())), (2, model(ModelChose("hangup"))))
    assert talked.last_sound(before=60) == pytest.approx(1.1, abs=0.06)


def test_the_model_does_not_hear_its_echo_but_hears_who_interrupts_it() -> None:
    talked = call(
        (0.1, model(*SPOKEN)),
        (2.6, speaks),
        (4.5, model(ModelChose("hangup"))),
        line=Line(echo_decibels=20),
    )
    frames = talked.session.frames  # type: ignore[attr-defined]
    began = talked.began
    assert all(not any(audio) for at, audio in frames if at - began < 2.6)
    caller = b"".join(audio for at, audio in frames if at - began > 2.6)
    assert sounds.loudness(caller) > 500
    assert 2.6 < talked.last_sound(before=60) < 3.0


def test_a_caller_who_may_not_interrupt_does_not() -> None:
    talked = call((0.1, model(*SPOKEN)), (1.1, speaks), (5, model(ModelChose("hangup"))), bot=spec(bargeIn=False))
    assert b"".join(audio for _, audio in talked.line.heard) == SPEECH
    assert talked.session.was_heard == []  # type: ignore[attr-defined]


def test_a_model_that_says_nothing_leads_to_the_fallback() -> None:
    talked = call()
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason == "the bot could not go on: the model says nothing"
    assert talked.log.said("bot") == ["One moment, please.", "I am sorry, there is a technical problem."]
    assert talked.seconds < 15


def test_a_caller_who_says_nothing_is_asked_and_then_goes_to_the_fallback() -> None:
    talked = call((0.1, model(*SPOKEN)))
    assert talked.ended == Ended("", CallOutcome.FALLBACK, "the caller said nothing")
    assert talked.log.said("bot") == [TEXT, "I did not hear anything.", "I did not hear anything."]


@pytest.mark.parametrize("end", [None, SpeechError(SpeechFault.QUOTA, "the key is used up")])
def test_a_model_that_ends_or_fails_leads_to_the_fallback(end: SpeechError | None) -> None:
    talked = call((0.1, model(*SPOKEN)), (6.0, model(end)))
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.log.said("bot") == [TEXT, "I am sorry, there is a technical problem."]


def test_a_model_cannot_choose_what_the_manifest_does_not_name() -> None:
    talked = call((0.1, model(*SPOKEN, ModelChose("dp-outbound"))), (6.0, model(ModelChose("sales"))))
    assert talked.ended.next == "sales"


def test_a_caller_who_hangs_up_ends_the_session() -> None:
    talked = call((0.1, model(*SPOKEN)), (1.0, lambda _, line: line.hang_up_caller()))
    assert talked.ended.outcome is CallOutcome.HUNG_UP
    assert talked.seconds == pytest.approx(1.0, abs=0.05)
