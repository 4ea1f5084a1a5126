"""ElevenLabs, against the peer that speaks its protocol."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from dialplane.services.voicebot.speech.contract import (
    RATE,
    SILENT_FRAME,
    Expected,
    Grammar,
    SpeechError,
    SpeechFault,
    Transcript,
)
from dialplane.services.voicebot.speech.elevenlabs_recognizer import ElevenLabsRecognizer
from dialplane.services.voicebot.speech.elevenlabs_synthesizer import ElevenLabsSynthesizer
from testbed.speech.peer import Kind, SpeechPeer
from testbed.speech.sound import LETTER_SECONDS
from tests.eventually import eventually
from tests.voicebot.speech.providers import LOUD_FRAME, PATIENT, secret, speech_to_text, text_to_speech

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEERS = ("elevenlabs",)

WORDS = Expected(Grammar.WORDS)


@pytest.fixture
def peer(peers: dict[Kind, SpeechPeer]) -> SpeechPeer:
    return peers["elevenlabs"]


@pytest_asyncio.fixture(loop_scope="module")
async def recognizer(peer: SpeechPeer) -> AsyncIterator[ElevenLabsRecognizer]:
    made = ElevenLabsRecognizer(speech_to_text(peer.url), secret(), PATIENT)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def synthesizer(peer: SpeechPeer) -> AsyncIterator[ElevenLabsSynthesizer]:
    made = ElevenLabsSynthesizer(text_to_speech(peer.url), secret(), PATIENT)
    yield made
    await made.close()


async def test_what_a_caller_says_is_understood_and_seen_as_it_comes(
    peer: SpeechPeer, recognizer: ElevenLabsRecognizer
) -> None:
    await peer.script("my number is four seven one one", "yes please")
    partial: list[Transcript] = []
    stream = await recognizer.open(WORDS, "en-GB", partial.append)
    for _ in range(40):
        stream.write(LOUD_FRAME)
    await eventually(lambda: len(partial) > 2)
    assert await stream.finish() == Transcript("my number is four seven one one")
    assert not any(each.final for each in partial)
    assert partial[0].text.startswith("my")
    second = await recognizer.open(WORDS, "en")
    second.write(LOUD_FRAME * 10)
    assert await second.finish() == Transcript("yes please")
    sessions, commits = await peer.messages("session"), await peer.messages("commit")
    assert [each["language"] for each in sessions] == ["en", "en"]
    assert [each["audio_ms"] for each in commits] == [800, 200]


async def test_audio_goes_up_in_pieces_before_the_end(recognizer: ElevenLabsRecognizer) -> None:
    partial: list[Transcript] = []
    stream = await recognizer.open(WORDS, "en", partial.append)
    for _ in range(4):
        stream.write(LOUD_FRAME)
    assert not partial
    stream.write(LOUD_FRAME)  # 100 ms
    await eventually(lambda: partial)
    await stream.close()


async def test_silence_is_an_answer_without_words(recognizer: ElevenLabsRecognizer) -> None:
    stream = await recognizer.open(WORDS, "en")
    stream.write(SILENT_FRAME * 50)
    assert await stream.finish() == Transcript("")


async def test_a_provider_that_takes_nothing_is_at_fault_and_not_the_call(recognizer: ElevenLabsRecognizer) -> None:
    stream = await recognizer.open(WORDS, "en")
    for _ in range(5000):  # 100 s, without giving the loop a chance to send any
        stream.write(SILENT_FRAME)
    with pytest.raises(SpeechError) as caught:
        await stream.finish()
    assert caught.value.fault is SpeechFault.TIMEOUT


async def test_a_text_is_spoken_as_it_comes(peer: SpeechPeer, synthesizer: ElevenLabsSynthesizer) -> None:
    text = "Good morning, how can I help you?"
    pieces = [piece async for piece in synthesizer.speak(text, "de-CH")]
    assert len(pieces) > 5
    assert not any(len(piece) % 2 for piece in pieces)
    assert sum(map(len, pieces)) == int(len(text) * LETTER_SECONDS * RATE) * 2
    assert await peer.messages("speak") == [{"type": "speak", "text": text, "language": "de"}]


async def test_a_barge_in_ends_the_request(peer: SpeechPeer, synthesizer: ElevenLabsSynthesizer) -> None:
    await peer.behave("slow", at="answer", after=0.05)
    async with aclosing(synthesizer.speak("a long text" * 50, "en")) as audio:
        await anext(audio)

    async def nobody_is_connected() -> bool:
        return (await peer.counts())["open"] == 0

    await eventually(nobody_is_connected)


async def test_both_are_checked_at_no_cost(
    peer: SpeechPeer, recognizer: ElevenLabsRecognizer, synthesizer: ElevenLabsSynthesizer
) -> None:
    await recognizer.check()
    await synthesizer.check()
    assert not await peer.messages("speak")
    assert not await peer.messages("commit")


async def test_a_key_for_synthesis_alone_is_checked_by_one_character(peer: SpeechPeer) -> None:
    await peer.behave("refuse", at="begin", times=1)  # of the list of models
    synthesizer = ElevenLabsSynthesizer(text_to_speech(peer.url), secret(), PATIENT)
    await synthesizer.check()
    assert [each["text"] for each in await peer.messages("speak")] == ["."]
    await synthesizer.close()


@pytest.mark.parametrize("fields", [{"voice": "nobody"}, {"model": "eleven_nothing"}])
async def test_a_voice_or_model_that_is_not_there_is_found_by_the_check(
    peer: SpeechPeer, fields: dict[str, str]
) -> None:
    synthesizer = ElevenLabsSynthesizer(text_to_speech(peer.url, **fields), secret(), PATIENT)
    with pytest.raises(SpeechError, match=r"spec\.textToSpeech") as caught:
        await synthesizer.check()
    assert caught.value.fault is SpeechFault.UNSUPPORTED
    await synthesizer.close()


async def test_another_voice_is_another_identity() -> None:
    here = ElevenLabsSynthesizer(text_to_speech("https://tts.example.com"), secret())
    there = ElevenLabsSynthesizer(text_to_speech("https://tts.example.com", voice="other"), secret())
    assert here.identity != there.identity
    assert "key" not in here.identity
