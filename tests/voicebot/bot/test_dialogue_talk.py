"""How a bot with a dialogue talks: it asks, is interrupted, understands, and never leaves a caller in silence."""

from pathlib import Path

import pytest

from dialplane.services.voicebot.bot.call_context import Ended
from dialplane.services.voicebot.bot.question import COMPLETE_SECONDS, RESUME_SECONDS
from dialplane.services.voicebot.bot.recording import Recordings
from dialplane.services.voicebot.speech.contract import SpeechFault
from dialplane.services.voicebot.speech.prompts import fixed_texts
from dialplane.services.voicebot.tables.calls import CallOutcome
from dialplane.storage.options import StorageOptions
from tests.voicebot import sounds
from tests.voicebot.bot.line import FRAME, Line
from tests.voicebot.bot.speech_parts import (
    SECONDS_A_LETTER,
    LetterSynthesizer,
    Parts,
    Understanding,
    recognizer,
)
from tests.voicebot.bot.talking import Actions, Caller, Talked, talk
from tests.voicebot.dialogue.dialogs import END, act, ask, bot

WORD = sounds.voice(0.9, pitch=190, seed=7)
QUESTION = "Do you want to speak to somebody in the sales department?"
ASKED = len(QUESTION) * SECONDS_A_LETTER
"""Seconds until the question is asked."""
BYE = {"name": "bye", "say": {"text": "Goodbye."}, "next": "end"}
STATES = (
    ask("sales", {"intent": "yes", "to": "transfer"}, {"intent": "no", "to": "bye"}, say=QUESTION),
    act("transfer", transfer={"to": {"extension": "101"}}),
    BYE,
    END,
)
SPEC = bot(*STATES)
MOMENT = "One moment, please."
TROUBLE = "I am sorry, there is a technical problem."


def says(line: Line) -> None:
    """Have the caller say a word."""
    line.speak(WORD)


def call(caller: Caller, *script: Understanding | str, line: Line | None = None) -> Talked:
    """Hold a call with the bot of this module."""
    return talk(SPEC, caller, Parts(recognizer(*script)), line=line)


def test_a_caller_is_asked_understood_and_transferred() -> None:
    talked = call({ASKED + 1: says}, "yes please")
    assert talked.ended == Ended("transfer", CallOutcome.TRANSFERRED, state="transfer")
    assert talked.ended.target == "transfer"
    assert [(turn.speaker, turn.state, turn.text) for turn in talked.log.turns] == [
        ("bot", "sales", QUESTION),
        ("caller", "sales", "yes please"),
    ]
    asked, answered = talked.log.turns
    assert asked.seconds == asked.details["heard_seconds"] == pytest.approx(ASKED, abs=0.03)
    assert answered.seconds == pytest.approx(0.9, abs=0.1)


def test_the_way_from_the_last_sound_to_the_first_is_noted() -> None:
    talked = call({ASKED + 1: says}, Understanding("no", confidence=0.9, takes=0.25))
    assert talked.ended == Ended("hangup", CallOutcome.COMPLETED, state="end")
    _, answer, bye = talked.log.turns
    assert answer.details == {"confidence": 0.9}
    times = {name: bye.details[name] for name in ("end_of_speech", "recognition", "decision", "first_audio")}
    assert times == {
        "end_of_speech": pytest.approx(0.7, abs=0.03),
        "recognition": 0.25,
        "decision": 0.0,
        "first_audio": pytest.approx(0, abs=0.02),
    }
    assert bye.text == "Goodbye."


def test_a_caller_interrupts_the_bot_which_falls_silent_at_once() -> None:
    ears = recognizer("yes")
    talked = talk(SPEC, {1.0: says}, Parts(ears))
    assert talked.ended.next == "transfer"
    assert talked.last_sound(before=60) < 1.2
    asked = talked.log.turns[0]
    assert asked.details["interrupted"] is True
    assert asked.details["heard_seconds"] == pytest.approx(len(talked.line.heard) * FRAME, abs=0.05)
    assert asked.text == "Do you want …"
    heard = sounds.samples(ears.streams[0].audio)
    assert sounds.loudness(sounds.pcm(heard[: round(0.2 * sounds.RATE)])) == 0
    assert sounds.loudness(sounds.pcm(heard[round(0.32 * sounds.RATE) : round(0.42 * sounds.RATE)])) > 500


def test_an_echo_does_not_interrupt_the_bot() -> None:
    talked = call({ASKED + 1: says}, "yes", line=Line(echo_decibels=20))
    assert talked.log.turns[0].text == QUESTION
    assert talked.ended.next == "transfer"


def test_a_caller_interrupts_the_bot_behind_its_echo() -> None:
    talked = call({1.5: says}, "yes", line=Line(echo_decibels=20))
    assert 1.5 < talked.last_sound(before=60) < 1.9
    assert talked.ended.next == "transfer"


def test_a_complete_answer_ends_the_turn_sooner() -> None:
    answer = Understanding("no", partials={0.5: "no"})
    *_, bye = call({ASKED + 1: says}, answer).log.turns
    assert bye.details["end_of_speech"] == pytest.approx(COMPLETE_SECONDS, abs=0.03)


@pytest.mark.parametrize("pressed_at", [0.5, ASKED + 1])
def test_a_key_answers_at_once(pressed_at: float) -> None:
    talked = call({pressed_at: lambda line: line.press("1")})
    assert talked.ended.next == "transfer"
    assert talked.seconds == pytest.approx(pressed_at, abs=0.1)
    assert talked.log.turns[-1].details == {"keys": "1"}


def test_keys_that_are_no_whole_answer_are_taken_after_a_while() -> None:
    spec = bot(
        ask("number", {"answered": True, "to": "end"}, say="Your number?", grammar="digits", minDigits=1, variable="n"),
        END,
    )
    talked = talk(spec, {1.0: lambda line: line.press("12")}, Parts(recognizer()))
    assert talked.ended.variables == {"n": "12"}
    assert talked.seconds == pytest.approx(3.5, abs=0.1)


def test_keys_that_are_pressed_ahead_answer_the_next_question() -> None:
    spec = bot(
        ask("first", {"intent": "yes", "to": "second"}, say="First?", variable="first"),
        ask("second", {"intent": "no", "to": "end"}, say="Second?", variable="second"),
        END,
    )
    talked = talk(spec, {0.1: lambda line: line.press("12")}, Parts(recognizer()))
    assert talked.ended.variables == {"first": "yes", "second": "no"}
    assert talked.seconds < 0.5


def test_who_says_nothing_is_asked_again_and_then_goes_to_the_fallback() -> None:
    talked = call({})
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason == "the caller said nothing"
    assert talked.log.said("bot") == [QUESTION, "I did not hear anything.", QUESTION]
    assert talked.seconds == pytest.approx(2 * ASKED + 24 * SECONDS_A_LETTER + 2 * 5, abs=0.3)


def test_who_is_not_understood_is_asked_again() -> None:
    talked = call({ASKED + 1: says, 2 * ASKED + 6: says}, "banana", "yes")
    assert talked.log.said("bot") == [QUESTION, "I did not understand.", QUESTION]
    assert talked.ended.next == "transfer"


def test_after_a_noise_the_bot_says_the_rest() -> None:
    talked = call({1.0: lambda line: line.speak(WORD[:4000]), ASKED + 4: says}, "", "yes")
    first, rest = talked.log.said("bot")
    assert (first, rest) == ("Do you want …", QUESTION)
    begun, again, answer = talked.log.turns
    assert again.seconds == pytest.approx(ASKED - (begun.seconds - RESUME_SECONDS), abs=0.03)
    assert (answer.speaker, answer.text) == ("caller", "yes")


def test_who_may_not_interrupt_is_heard_when_the_bot_is_done() -> None:
    spec = bot(*STATES, bargeIn=False)
    talked = talk(spec, {ASKED - 0.3: lambda line: line.speak(sounds.voice(1.5, seed=7))}, Parts(recognizer("yes")))
    assert talked.log.turns[0].text == QUESTION
    assert talked.ended.next == "transfer"


def test_an_interjection_counts_for_nothing_where_the_bot_may_not_be_interrupted() -> None:
    spec = bot(*STATES, bargeIn=False)
    talked = talk(spec, {0.5: says, ASKED + 1: says}, Parts(recognizer("no")))
    assert talked.log.said("caller") == ["no"]


def test_a_program_that_takes_long_lets_the_caller_not_wait_in_silence() -> None:
    webhook = {"url": "https://crm.example.com/orders", "timeoutSeconds": 15, "otherwise": "end"}
    spec = bot(act("look", webhook=webhook | {"outcomes": [{"outcome": "there", "to": "bye"}]}), BYE, END)
    actions = Actions("there", takes=9)
    talked = talk(spec, {}, Parts(recognizer()), actions=actions)
    assert talked.log.said("bot") == [MOMENT, MOMENT, "Goodbye."]
    assert talked.log.said("system") == ["AskWebhook"]
    assert talked.ended.outcome is CallOutcome.COMPLETED
    gaps = [after[0] - before[0] for before, after in zip(talked.line.heard, talked.line.heard[1:], strict=False)]
    assert max(gaps) < 5


def test_a_recogniser_that_takes_long_lets_the_caller_not_wait_in_silence() -> None:
    talked = call({ASKED + 1: says}, Understanding("no", takes=4))
    assert talked.log.said("bot") == [QUESTION, MOMENT, "Goodbye."]


@pytest.mark.parametrize("fault", [SpeechFault.REFUSED, SpeechFault.QUOTA, SpeechFault.UNSUPPORTED])
def test_a_recogniser_that_will_not_serve_leads_to_the_fallback(fault: SpeechFault) -> None:
    talked = call({ASKED + 1: says}, Understanding(fault=fault))
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason == "the bot could not understand the caller: the recogniser does not serve"
    assert talked.log.said("bot") == [QUESTION, TROUBLE]


@pytest.mark.parametrize("fault", [SpeechFault.TIMEOUT, SpeechFault.BUSY])
def test_a_recogniser_that_fails_once_costs_one_question(fault: SpeechFault) -> None:
    talked = call({ASKED + 1: says, 2 * ASKED + 6: says}, Understanding(fault=fault), "yes")
    assert talked.log.said("bot") == [QUESTION, "I did not understand.", QUESTION]
    assert talked.ended.next == "transfer"


@pytest.mark.parametrize("fault", [SpeechFault.UNAVAILABLE, SpeechFault.GARBLED])
def test_a_stream_that_breaks_is_opened_again_with_what_was_said(fault: SpeechFault) -> None:
    ears = recognizer(Understanding(fault=fault), "yes")
    talked = talk(SPEC, {ASKED + 1: says}, Parts(ears))
    assert talked.ended.next == "transfer"
    broken, second = ears.streams
    assert second.audio == broken.audio
    assert broken.closed
    assert second.closed


def test_a_recogniser_that_hangs_leads_to_the_fallback() -> None:
    talked = call({ASKED + 1: says, 2 * ASKED + 18: says}, *[Understanding("yes", takes=100)] * 2)
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason == "the bot could not understand the caller: the recogniser does not answer"


def test_a_voice_that_comes_late_is_waited_for() -> None:
    voice = LetterSynthesizer(slow={QUESTION: 4})
    talked = talk(SPEC, {ASKED + 7: says}, Parts(recognizer("yes"), voice))
    assert talked.log.said("bot") == [MOMENT, QUESTION]
    assert talked.ended.next == "transfer"


@pytest.mark.parametrize("voice", [LetterSynthesizer(fault=SpeechFault.QUOTA), LetterSynthesizer(slow={QUESTION: 100})])
def test_a_voice_that_fails_leads_to_the_fallback(voice: LetterSynthesizer) -> None:
    talked = talk(SPEC, {}, Parts(recognizer(), voice))
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason.startswith("the bot could not speak: ")
    assert talked.seconds < 15


def test_a_caller_who_hangs_up_ends_the_talk() -> None:
    talked = call({1.0: lambda line: line.hang_up_caller()})
    assert talked.ended == Ended("", CallOutcome.HUNG_UP, state="sales")
    assert talked.seconds == pytest.approx(1.0, abs=0.05)
    heard = len(talked.line.heard) * FRAME
    assert talked.log.turns[0].details == {"heard_seconds": pytest.approx(heard, abs=0.05), "interrupted": True}


def test_a_call_that_asterisk_cuts_at_its_limit_went_to_the_fallback() -> None:
    talked = talk(bot(*STATES, maxCallSeconds=10), {9.7: lambda line: line.hang_up_caller()}, Parts(recognizer()))
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason == "the call lasted for as long as maxCallSeconds says"


def test_music_is_no_answer_without_end() -> None:
    talked = call({ASKED: lambda line: line.speak(sounds.voice(100))}, "", "", "")
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.seconds < 120


def test_an_error_that_nobody_foresaw_leads_to_the_fallback(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Parts):
        """Fails as no part should."""

        def speak(self, text: str, language: str) -> None:  # type: ignore[override]
            raise KeyError(text, language)

    talked = talk(SPEC, {}, Broken(recognizer()))
    assert talked.ended.outcome is CallOutcome.FALLBACK
    assert talked.ended.reason == "the bot met an error that nobody foresaw"
    assert QUESTION not in caplog.text


def test_all_that_a_bot_says_in_every_call_is_spoken_before_anybody_calls() -> None:
    spec = bot(*STATES, greeting="Hello {caller}.", recording={"consent": "This call is recorded."})
    assert [text for text, _ in fixed_texts(spec)] == [
        "This call is recorded.",
        "I did not hear anything.",
        "I did not understand.",
        MOMENT,
        TROUBLE,
        QUESTION,
        "Goodbye.",
    ]


def test_a_call_is_recorded_from_the_consent_on(tmp_path: Path) -> None:
    spec = bot(*STATES, recording={"consent": "This call is recorded."})
    options = StorageOptions((tmp_path / "storage").as_uri(), tmp_path / "spool")
    consent = 22 * SECONDS_A_LETTER
    made: list[Recordings] = []

    def recordings() -> Recordings:
        made.append(Recordings("site", options))
        return made[-1]

    talked = talk(spec, {consent + ASKED + 1: says}, Parts(recognizer("yes")), recordings=recordings)
    made[0]._threads.shutdown(wait=True)  # they write by the clock on the wall
    assert talked.ended.recording == "site/bot-recordings/reception/1732999999-17.wav"
    assert talked.log.said("bot") == ["This call is recorded.", QUESTION]
    (file,) = (tmp_path / "spool").rglob("*.*")
    assert file.stat().st_size / 16_000 == pytest.approx(talked.seconds - consent, abs=1.1)
