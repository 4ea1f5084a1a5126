"""Worker processes: they are bounded, and one that dies or hangs takes nothing else with it."""

import asyncio
import os
import signal

import pytest

from dialplane.resources.voice_bot import TextToSpeech
from dialplane.services.voicebot.speech import workers as pool
from dialplane.services.voicebot.speech.contract import Expected, Grammar, SpeechError, SpeechFault, Synthesizer
from dialplane.services.voicebot.speech.offline_recognizer import OfflineRecognizer
from dialplane.services.voicebot.speech.offline_synthesizer import OfflineSynthesizer
from dialplane.services.voicebot.speech.workers import SpeechWorkers
from testbed.voices import RATE, environment
from tests.eventually import eventually

YES_NO = Expected(Grammar.YES_NO, {"yes": ("yes",), "no": ("no",)})
SILENCE = bytes(RATE)


@pytest.fixture(scope="module", autouse=True)
def programs() -> object:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        yield


async def audio_of(synthesizer: Synthesizer, text: str, language: str) -> list[bytes]:
    return [piece async for piece in synthesizer.speak(text, language)]


async def test_a_text_comes_sentence_by_sentence_as_loud_in_every_voice() -> None:
    async with SpeechWorkers(1) as workers:
        for voice, language in ((None, "en"), ("rms", "en-US"), (None, "de")):
            synthesizer = OfflineSynthesizer(TextToSpeech(voice=voice), language, workers)
            await synthesizer.check()
            pieces = await audio_of(synthesizer, "One moment, please. I am looking for it.", language)
            assert [len(piece) / RATE / 2 > 0.5 for piece in pieces] == [True, True]
            samples = memoryview(b"".join(pieces)).cast("h")
            loud = [sample for sample in samples if abs(sample) > 200]
            assert (sum(sample**2 for sample in loud) / len(loud)) ** 0.5 == pytest.approx(2_500, rel=0.15)


@pytest.mark.parametrize(
    ("voice", "language", "missing", "words"),
    [
        ("nobody", "en", {}, "no offline voice nobody"),
        (None, "xx", {}, "espeak-ng"),
        (None, "en", {"DIALPLANE_FLITE": "/nowhere/flite"}, "DIALPLANE_FLITE names /nowhere/flite"),
        (None, "de", {"DIALPLANE_ESPEAK_NG": "", "PATH": "/nowhere"}, "install the package espeak-ng"),
    ],
)
async def test_a_voice_that_does_not_speak_says_why(
    voice: str | None, language: str, missing: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in missing.items():
        monkeypatch.setenv(name, value)
    async with SpeechWorkers(1) as workers:
        with pytest.raises(SpeechError, match=words):
            await OfflineSynthesizer(TextToSpeech(voice=voice), language, workers).check()


async def test_a_worker_that_dies_loses_its_answer_and_the_next_gets_another() -> None:
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en")
        lost = await recognizer.open(YES_NO, "en")
        (process,) = workers.processes
        os.kill(process, signal.SIGKILL)
        with pytest.raises(SpeechError) as raised:
            await lost.finish()
        assert raised.value.fault is SpeechFault.UNAVAILABLE
        lost.write(SILENCE)
        await lost.close()
        await recognizer.check()
        assert workers.processes != (process,)
        assert workers.jobs == 0


async def test_a_worker_that_hangs_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialplane.services.voicebot.speech.offline_recognizer.FINISH_LIMIT", 0.2)
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en")
        late = await recognizer.open(YES_NO, "en")
        os.kill(workers.processes[0], signal.SIGSTOP)
        with pytest.raises(SpeechError) as raised:
            await late.finish()
        assert raised.value.fault is SpeechFault.TIMEOUT
        await recognizer.check()


async def test_a_worker_that_hangs_is_ended_though_nobody_waits_for_it_any_longer() -> None:
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en")
        await recognizer.check()
        (process,) = workers.processes
        os.kill(process, signal.SIGSTOP)
        opening = asyncio.create_task(workers.open("recognise", {}, limit=0.1))
        await eventually(lambda: workers.jobs == 1)
        opening.cancel()  # its caller has gone on
        await asyncio.wait([opening])
        await asyncio.sleep(0.15)
        await recognizer.check()
        assert workers.processes != (process,)


async def test_more_than_a_pool_can_do_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_JOBS", 2)
    monkeypatch.setattr(pool, "MOST_UNREAD", 10_000)
    async with SpeechWorkers(1) as workers:
        recognizer = OfflineRecognizer(workers, "en")
        first, second = await recognizer.open(YES_NO, "en"), await recognizer.open(YES_NO, "en")
        with pytest.raises(SpeechError) as refused:
            await recognizer.open(YES_NO, "en")
        assert refused.value.fault is SpeechFault.BUSY
        await first.close()
        await (await recognizer.open(YES_NO, "en")).close()
        os.kill(workers.processes[0], signal.SIGSTOP)
        while workers.jobs:  # until the pipe is full, and what may wait for it too
            second.write(SILENCE * 10)
        os.kill(workers.processes[0], signal.SIGCONT)
        with pytest.raises(SpeechError) as behind:
            await second.finish()
        assert behind.value.fault is SpeechFault.BUSY
