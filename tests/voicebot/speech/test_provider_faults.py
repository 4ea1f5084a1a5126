"""Every paid provider, with every fault: the right error within its limit, nothing left over, nothing shown."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from dialplane.services.voicebot.speech.contract import (
    Expected,
    Grammar,
    ModelTurnEnded,
    RealtimeModel,
    SpeechError,
    SpeechFault,
)
from dialplane.services.voicebot.speech.doubao_realtime import DoubaoRealtime
from dialplane.services.voicebot.speech.elevenlabs_recognizer import ElevenLabsRecognizer
from dialplane.services.voicebot.speech.elevenlabs_synthesizer import ElevenLabsSynthesizer
from dialplane.services.voicebot.speech.language_model import LanguageModel
from dialplane.services.voicebot.speech.openai_realtime import OpenAiRealtime
from dialplane.services.voicebot.speech.provider import ProviderLimits
from testbed.speech.peer import Kind, SpeechPeer
from tests.eventually import eventually
from tests.voicebot.speech.providers import (
    IMPATIENT,
    KEY,
    LOUD_FRAME,
    PATIENT,
    llm,
    realtime,
    secret,
    speak,
    speech_to_text,
    text_to_speech,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEERS = ("elevenlabs", "openai", "doubao", "chat")

WORDS = "what a caller said in confidence"


async def _understand(url: str, key: str, limits: ProviderLimits) -> None:
    recognizer = ElevenLabsRecognizer(speech_to_text(url), secret(key), limits)
    try:
        stream = await recognizer.open(Expected(Grammar.WORDS), "en")
        stream.write(LOUD_FRAME * 20)
        await stream.finish()
    finally:
        await recognizer.close()


async def _speak(url: str, key: str, limits: ProviderLimits) -> None:
    synthesizer = ElevenLabsSynthesizer(text_to_speech(url), secret(key), limits)
    try:
        async for _ in synthesizer.speak(WORDS, "en"):
            pass
    finally:
        await synthesizer.close()


async def _talk(model: RealtimeModel) -> None:
    try:
        session = await model.open("")
        await speak(session)
        await until(session.events(), ModelTurnEnded)
    finally:
        await model.close()


async def _talk_by_openai(url: str, key: str, limits: ProviderLimits) -> None:
    await _talk(OpenAiRealtime(realtime("openai", url), secret(key), limits))


async def _talk_by_doubao(url: str, key: str, limits: ProviderLimits) -> None:
    await _talk(DoubaoRealtime(realtime("doubao", url), secret(key), limits))


async def _ask(url: str, key: str, limits: ProviderLimits) -> None:
    model = LanguageModel(llm(url, timeoutSeconds=1 if limits is IMPATIENT else 20), secret(key), limits)
    try:
        await model.ask([("caller", WORDS)])
    finally:
        await model.close()


@dataclass(frozen=True)
class User:
    kind: Kind
    use: Callable[[str, str, ProviderLimits], Awaitable[None]]
    begins: bool = True
    """Whether there is anything between connecting and answering."""


USERS = {
    "recognizer": User("elevenlabs", _understand),
    "synthesizer": User("elevenlabs", _speak),
    "openai": User("openai", _talk_by_openai),
    "doubao": User("doubao", _talk_by_doubao),
    "language model": User("chat", _ask, begins=False),
}
FAULTS = [
    ("refuse", "connect", SpeechFault.REFUSED),
    ("quota", "connect", SpeechFault.QUOTA),
    ("garbage", "connect", SpeechFault.GARBLED),
    ("silent", "connect", SpeechFault.TIMEOUT),
    ("cut", "connect", SpeechFault.UNAVAILABLE),
    ("broken", "connect", SpeechFault.UNAVAILABLE),
    ("unknown", "connect", SpeechFault.UNSUPPORTED),
    ("refuse", "begin", SpeechFault.REFUSED),
    ("quota", "begin", SpeechFault.QUOTA),
    ("garbage", "begin", SpeechFault.GARBLED),
    ("silent", "begin", SpeechFault.TIMEOUT),
    ("cut", "begin", SpeechFault.UNAVAILABLE),
    ("quota", "answer", SpeechFault.QUOTA),
    ("garbage", "answer", SpeechFault.GARBLED),
    ("silent", "answer", SpeechFault.TIMEOUT),
    ("cut", "answer", SpeechFault.UNAVAILABLE),
]
NOT_POSSIBLE = {("synthesizer", "quota", "answer"), ("synthesizer", "garbage", "answer")}
"""Once audio comes, it is audio."""
CASES = [
    pytest.param(name, answer, at, fault, id=f"{name}: {answer} at {at}")
    for name, user in USERS.items()
    for answer, at, fault in FAULTS
    if (name, answer, at) not in NOT_POSSIBLE and (at != "begin" or user.begins)
]


@asynccontextmanager
async def nothing_left_over(peer: SpeechPeer) -> AsyncIterator[None]:
    """Neither a task nor, as the provider sees it, a connection."""
    before = asyncio.all_tasks()
    yield
    assert not asyncio.all_tasks() - before

    async def open_connections() -> int:
        return (await peer.counts())["open"]

    await eventually(open_connections, holds=lambda count: count == 0)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Log all that any library would log at its lowest level."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith(("websockets", "httpx", "httpcore", "dialplane")):
            caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def shows_nothing(error: BaseException, log: pytest.LogCaptureFixture, key: str) -> None:
    seen, chain = [log.text], error
    while chain is not None:  # whatever a traceback would show
        seen += [repr(chain), str(chain)]
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)  # type: ignore[assignment]
    for text in seen:
        for hidden in (key, key.partition(":")[2], WORDS, "words of the provider"):
            assert hidden not in text


@pytest.mark.parametrize(("name", "answer", "at", "fault"), CASES)
async def test_every_fault_has_its_name_in_time_and_shows_nothing(
    peers: dict[Kind, SpeechPeer],
    everything_logged: pytest.LogCaptureFixture,
    name: str,
    answer: str,
    at: str,
    fault: SpeechFault,
) -> None:
    user = USERS[name]
    peer = peers[user.kind]
    await peer.script(WORDS)
    await peer.replies({"text": WORDS})
    await peer.behave(answer, at=at)
    async with nothing_left_over(peer), asyncio.timeout(60):
        with pytest.raises(SpeechError) as caught:
            await user.use(peer.url, KEY, IMPATIENT if answer == "silent" else PATIENT)
    assert caught.value.fault is fault, caught.value
    shows_nothing(caught.value, everything_logged, KEY)


@pytest.mark.parametrize("name", USERS)
async def test_a_wrong_key_is_refused_and_not_shown(
    peers: dict[Kind, SpeechPeer], everything_logged: pytest.LogCaptureFixture, name: str
) -> None:
    key = "4711:a-wrong-key-of-somebody"
    peer = peers[USERS[name].kind]
    async with nothing_left_over(peer):
        with pytest.raises(SpeechError, match="secretRef") as caught:
            await USERS[name].use(peer.url, key, PATIENT)
    assert caught.value.fault is SpeechFault.REFUSED
    shows_nothing(caught.value, everything_logged, key)


@pytest.mark.parametrize("key", ["", "two\nlines", "with spaces", "schlüssel"])
@pytest.mark.parametrize("name", USERS)
async def test_what_is_no_key_is_not_sent(peers: dict[Kind, SpeechPeer], name: str, key: str) -> None:
    peer = peers[USERS[name].kind]
    before = (await peer.counts())["requests"]
    with pytest.raises(SpeechError) as caught:
        await USERS[name].use(peer.url, key, PATIENT)
    assert caught.value.fault is SpeechFault.REFUSED
    assert not key or key not in str(caught.value)
    assert (await peer.counts())["requests"] == before


@pytest.mark.parametrize("name", USERS)
async def test_nobody_there_is_unavailable_at_once(peers: dict[Kind, SpeechPeer], name: str) -> None:
    peer = peers[USERS[name].kind]
    await peer.ask("listening", on=False)
    try:
        with pytest.raises(SpeechError, match=r"127\.0\.0\.1") as caught:
            await USERS[name].use(peer.url, KEY, PATIENT)
    finally:
        await peer.ask("listening", on=True)
    assert caught.value.fault is SpeechFault.UNAVAILABLE


@pytest.mark.parametrize("name", USERS)
async def test_all_is_well_after_all_that(peers: dict[Kind, SpeechPeer], name: str) -> None:
    answer = "quota" if name == "language model" else "cut"  # which it would be asked once more
    await peers[USERS[name].kind].behave(answer, at="answer", times=1)
    with pytest.raises(SpeechError):
        await USERS[name].use(peers[USERS[name].kind].url, KEY, PATIENT)
    await USERS[name].use(peers[USERS[name].kind].url, KEY, PATIENT)
