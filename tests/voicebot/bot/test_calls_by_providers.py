"""Whole calls by paid providers: over sockets to the peers that speak their protocols, in real time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.bot.call_context import CallContext, Ended
from dialplane.services.voicebot.bot.conversation import converse
from dialplane.services.voicebot.desired import desired_bot
from dialplane.services.voicebot.speech.doubao_realtime import DoubaoRealtime
from dialplane.services.voicebot.speech.elevenlabs_recognizer import ElevenLabsRecognizer
from dialplane.services.voicebot.speech.elevenlabs_synthesizer import ElevenLabsSynthesizer
from dialplane.services.voicebot.speech.openai_realtime import OpenAiRealtime
from dialplane.services.voicebot.speech.provider import ProviderLimits
from dialplane.services.voicebot.tables.calls import CallOutcome
from testbed.speech.peer import Kind, SpeechPeer
from tests.eventually import eventually
from tests.voicebot import sounds
from tests.voicebot.bot.line import Line
from tests.voicebot.bot.speech_parts import LetterSynthesizer, Parts
from tests.voicebot.bot.talking import CALL, CALLER, Actions, Log
from tests.voicebot.speech.providers import IMPATIENT, KEY, PATIENT, secret, started

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSFER = {"name": "sales", "description": "They want to buy.", "to": {"extension": "101"}}
WORD = sounds.voice(0.6, pitch=190, seed=7)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[Kind, SpeechPeer]]:
    async with started(tmp_path_factory.mktemp("speech"), ("elevenlabs", "openai", "doubao")) as peers:
        yield peers


@pytest_asyncio.fixture(loop_scope="module")
async def peers(running: dict[Kind, SpeechPeer]) -> dict[Kind, SpeechPeer]:
    await asyncio.gather(*(peer.forget() for peer in running.values()))
    return running


@dataclass
class LiveCall:
    """A call that goes on."""

    line: Line
    log: Log
    talking: asyncio.Task[Ended] = field(repr=False)

    @property
    def heard_seconds(self) -> float:
        """How much sound came to the caller's ear."""
        return sum(any(audio) for _, audio in self.line.heard) * 0.02

    async def answers(self) -> Ended:
        """Say a word whenever the bot has said all, until the call is over."""
        while not self.talking.done():
            if not self.line.is_speaking:
                self.line.speak(WORD)
            await asyncio.wait({self.talking}, timeout=2.0)
        return await self.talking

    async def hears(self, more_than: float) -> None:
        """Wait until the caller has heard so many seconds."""
        await eventually(lambda: self.heard_seconds > more_than)


def spec_of(kind: Kind, url: str) -> VoiceBotSpec:
    service = {"secretRef": {"name": "speech", "key": "key"}, "url": url}
    fallback = {"to": {"hangup": True}}
    if kind == "elevenlabs":
        ask = {
            "name": "ask",
            "say": {"text": "Shall I put you through"},
            "collect": {"grammar": "yesNo"},
            "transitions": [{"intent": "yes", "to": "sales"}, {"answered": True, "to": "ask"}],
        }
        sales = {"name": "sales", "action": {"transfer": {"to": {"extension": "101"}}}}
        here = {"provider": "elevenlabs", **service}
        dialog = {"start": "ask", "states": [ask, sales]}
        value = {"speechToText": here, "textToSpeech": here, "dialog": dialog, "fallback": fallback}
    else:
        realtime = {"provider": kind, "instructions": "Be brief.", **service}
        realtime["transfers"] = [TRANSFER] if kind == "openai" else []
        value = {"greeting": "Hello there", "realtime": realtime, "fallback": fallback}
    return VoiceBotSpec.model_validate_json(json.dumps(value))


def speech_of(spec: VoiceBotSpec, limits: ProviderLimits) -> Parts:
    if spec.realtime is None:
        recognizer = ElevenLabsRecognizer(spec.speech_to_text, secret(KEY), limits)
        return Parts(recognizer, ElevenLabsSynthesizer(spec.text_to_speech, secret(KEY), limits))
    model = {"openai": OpenAiRealtime, "doubao": DoubaoRealtime}[spec.realtime.provider]
    return Parts(synthesizer=LetterSynthesizer(), realtime=model(spec.realtime, secret(KEY), limits))


@asynccontextmanager
async def call(peer: SpeechPeer, limits: ProviderLimits = PATIENT) -> AsyncIterator[LiveCall]:
    """Have a caller on the line of a bot."""
    spec = spec_of(peer.kind, peer.url)
    line, log, speech = Line(), Log(), speech_of(spec, limits)
    context = CallContext(
        media=line,
        bot=desired_bot(spec, "UTC"),
        name="reception",
        call_id=CALL,
        caller=CALLER,
        log=log,
        speech=speech,
        actions=Actions(),
    )
    carrying = asyncio.create_task(line.run())
    talking = asyncio.create_task(converse(context))
    try:
        async with asyncio.timeout(40):
            yield LiveCall(line, log, talking)
    finally:
        for task in (talking, carrying):
            task.cancel()
        await asyncio.gather(talking, carrying, return_exceptions=True)
        for each in (speech.recognizer, speech.synthesizer, speech.realtime):
            if each is not None:
                await each.close()


async def test_openai_greets_understands_and_sends_the_call_on(peers: dict[Kind, SpeechPeer]) -> None:
    peer = peers["openai"]
    await peer.script("I want to buy something")
    await peer.replies({"text": "I put you through", "choose": "sales"})
    async with call(peer) as live:
        await live.hears(0.4)
        await eventually(lambda: not live.line.is_speaking)  # the greeting is over
        live.line.speak(WORD)
        ended = await live.talking
        assert (ended.next, ended.outcome) == ("sales", CallOutcome.TRANSFERRED)
        assert live.log.said("bot") == ["Hello there", "I put you through"]
        assert live.log.said("caller") == ["I want to buy something"]
        assert live.heard_seconds == pytest.approx(len("Hello there" + "I put you through") * 0.05, abs=0.1)


async def test_openai_forgets_what_the_caller_did_not_hear(peers: dict[Kind, SpeechPeer]) -> None:
    peer = peers["openai"]
    await peer.replies({"text": "a very long answer " * 30})
    async with call(peer) as live:
        await live.hears(0.4)
        await eventually(lambda: not live.line.is_speaking)
        greeted = live.heard_seconds
        live.line.speak(WORD)
        await live.hears(greeted + 1.0)
        live.line.speak(WORD)
        await eventually(lambda: peer.messages("conversation.item.truncate"), holds=bool)
        (cut,) = await peer.messages("conversation.item.truncate")
        assert cut["audio_end_ms"] / 1000 == pytest.approx(live.heard_seconds - greeted, abs=1.0)
        assert live.heard_seconds - greeted < 20  # of 28 s


@pytest.mark.parametrize("kind", ["openai", "doubao"])
@pytest.mark.parametrize(
    ("answer", "at"),
    [("refuse", "begin"), ("quota", "answer"), ("silent", "answer"), ("cut", "answer"), ("garbage", "answer")],
)
async def test_a_caller_whose_provider_fails_goes_to_the_fallback(
    peers: dict[Kind, SpeechPeer], kind: Kind, answer: str, at: str
) -> None:
    peer = peers[kind]
    await peer.behave(answer, at=at)
    async with call(peer, IMPATIENT if answer == "silent" else PATIENT) as live:
        ended = await live.talking
        assert (ended.next, ended.outcome) == ("", CallOutcome.FALLBACK)
        assert f"127.0.0.1:{peer.address[1]}" in ended.reason
        assert KEY not in ended.reason
        assert live.heard_seconds > 0.5  # an apology


async def test_doubao_greets_understands_and_hangs_up_after_goodbye(peers: dict[Kind, SpeechPeer]) -> None:
    peer = peers["doubao"]
    await peer.script("再见")
    await peer.replies({"text": "祝您愉快", "choose": "hangup"})
    async with call(peer) as live:
        await live.hears(0.4)
        await eventually(lambda: not live.line.is_speaking)
        live.line.speak(WORD)
        ended = await live.talking
        assert (ended.next, ended.outcome) == ("hangup", CallOutcome.COMPLETED)
        assert live.log.said("caller") == ["再见"]
        assert live.log.said("bot") == ["Hello there", "祝您愉快"]


async def test_elevenlabs_asks_understands_and_sends_the_call_on(peers: dict[Kind, SpeechPeer]) -> None:
    peer = peers["elevenlabs"]
    await peer.script("yes please")
    async with call(peer) as live:
        await live.hears(0.4)
        await eventually(lambda: not live.line.is_speaking)
        live.line.speak(WORD)
        ended = await live.talking
        assert (ended.next, ended.outcome) == ("sales", CallOutcome.TRANSFERRED)
        assert live.log.said("bot") == ["Shall I put you through"]
        assert live.log.said("caller") == ["yes please"]
        assert live.heard_seconds == pytest.approx(len("Shall I put you through") * 0.05, abs=0.1)


@pytest.mark.parametrize(
    ("answer", "at"),
    [("broken", "connect"), ("refuse", "begin"), ("quota", "answer"), ("silent", "answer"), ("cut", "answer")],
)
async def test_a_caller_whom_elevenlabs_does_not_serve_goes_to_the_fallback(
    peers: dict[Kind, SpeechPeer], answer: str, at: str
) -> None:
    peer = peers["elevenlabs"]
    await peer.behave(answer, at=at)
    async with call(peer, IMPATIENT if answer == "silent" else PATIENT) as live:
        ended = await live.answers()
        assert (ended.next, ended.outcome) == ("", CallOutcome.FALLBACK)
        assert f"127.0.0.1:{peer.address[1]}" in ended.reason
        assert KEY not in ended.reason
