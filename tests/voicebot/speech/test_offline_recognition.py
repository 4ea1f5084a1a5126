"""Offline recognition: answers are understood as they are spoken, other speech is not taken for an answer."""

from collections.abc import Iterator, Sequence

import pytest

from bench.recognition import CHOICES, YES_NO, over_a_line, value_of
from dialplane.services.voicebot.speech.contract import (
    Expected,
    Grammar,
    Recognizer,
    SpeechError,
    SpeechFault,
    Transcript,
)
from dialplane.services.voicebot.speech.offline_recognizer import OfflineRecognizer
from dialplane.services.voicebot.speech.phrases import english_answers
from dialplane.services.voicebot.speech.workers import SpeechWorkers
from testbed.voices import environment

NAMES = Expected(Grammar.CHOICES, {"desk": ("zorbfield desk",), "other": ("somebody else",)})


@pytest.fixture(scope="module", autouse=True)
def programs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        yield


async def understood(recognizer: Recognizer, expected: Expected, audio: bytes) -> tuple[Transcript, list[Transcript]]:
    partials: list[Transcript] = []
    stream = await recognizer.open(expected, "en-US", partials.append)
    for at in range(0, len(audio), 640):
        stream.write(audio[at : at + 640])
    return await stream.finish(), partials


async def test_answers_are_understood_over_a_telephone_and_other_speech_is_not() -> None:
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en", [CHOICES, YES_NO])
        await recognizer.check()

        async def values(expected: Expected, texts: Sequence[str]) -> list[str | None]:
            spoken = [(text, voice) for text in texts for voice in ("slt", "rms")]
            heard = [(await understood(recognizer, expected, over_a_line(*each)))[0] for each in spoken]
            return [value_of(expected, each.text) for each in heard]

        answered = await values(YES_NO, ("yes please", "no thanks")) + await values(CHOICES, ("track a parcel",))
        assert answered == ["yes", "yes", "no", "no", "orders", "orders"]
        other = await values(YES_NO, ("rice is often served in round bowls", "the boy was there when the sun rose"))
        other += await values(CHOICES, ("four hours of steady work faced us",))
        assert other == [None] * 6


async def test_an_answer_is_heard_while_it_is_spoken_and_silence_is_none() -> None:
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en")
        answer, partials = await understood(recognizer, CHOICES, over_a_line("track a parcel", "rms"))
        assert answer.text == "track a parcel"
        assert answer.confidence is not None
        assert answer.confidence > 0.5
        assert any("parcel" in each.text and not each.final for each in partials)
        assert (await understood(recognizer, CHOICES, bytes(32_000)))[0].text == ""
        assert (await understood(recognizer, CHOICES, b""))[0].text == ""


async def test_a_name_that_the_dictionary_lacks_is_spelled_out() -> None:
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en", [NAMES])
        await recognizer.check()
        heard, _ = await understood(recognizer, NAMES, over_a_line("zorbfield desk", "rms"))
        assert value_of(NAMES, heard.text) == "desk"


@pytest.mark.parametrize(
    ("expected", "language", "flite", "words"),
    [
        (Expected(Grammar.WORDS), "en", "flite", "choose another grammar than words"),
        (YES_NO, "de", "flite", "English only, not de"),
        (Expected(Grammar.CHOICES, {"a": ("日本",)}), "en", "flite", "only English words"),
        (NAMES, "en", "/nowhere/flite", 'lacks the word "zorbfield", and flite'),
    ],
)
async def test_what_cannot_be_understood_is_refused_before_anybody_calls(
    expected: Expected, language: str, flite: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if flite != "flite":
        monkeypatch.setenv("DIALPLANE_FLITE", flite)
    async with SpeechWorkers(1) as workers:
        with pytest.raises(SpeechError, match=words) as refused:
            await OfflineRecognizer(workers, language, [expected]).check()
        assert refused.value.fault is SpeechFault.UNSUPPORTED


@pytest.mark.parametrize("grammar", [Grammar.DIGITS, Grammar.DATE, Grammar.CHOICES, Grammar.YES_NO])
def test_every_answer_begins_at_the_start_and_ends_at_the_end(grammar: Grammar) -> None:
    graph = english_answers(Expected(grammar, {"a": ("Zoë's desk",), "b": ("twenty-one",)}))
    assert {"zoe's", "twenty", "one"} <= graph.words or grammar in {Grammar.DIGITS, Grammar.DATE}
    beginnings, ends = {arc[0] for arc in graph.arcs}, {arc[1] for arc in graph.arcs}
    assert beginnings - {graph.start} <= ends
    assert ends - {graph.end} <= beginnings
