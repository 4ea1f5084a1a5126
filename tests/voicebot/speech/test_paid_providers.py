"""The paid providers of a bot, from its manifest and Secrets to what they do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.desired import desired_bot
from dialplane.services.voicebot.speech.contract import Expected, Grammar, SpeechError, SpeechFault
from dialplane.services.voicebot.speech.prompt_cache import PromptCache
from dialplane.services.voicebot.speech.providers import SpeechProviders
from dialplane.services.voicebot.speech.workers import SpeechWorkers
from testbed.speech.peer import Kind, SpeechPeer
from tests.voicebot.speech.providers import KEY, LOUD_FRAME, SECRET, llm

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEERS = ("elevenlabs", "openai", "chat")
FALLBACK = {"to": {"extension": "101"}}


class Secrets:
    """The one Secret of a site."""

    def __init__(self, value: str | None = KEY) -> None:
        self._value = value

    def value(self, name: str, key: str) -> SecretStr | None:
        assert {"name": name, "key": key} == SECRET
        return None if self._value is None else SecretStr(self._value)


def dialogue(peers: dict[Kind, SpeechPeer], **of_llm: Any) -> dict[str, Any]:
    there = {"provider": "elevenlabs", "secretRef": SECRET, "url": peers["elevenlabs"].url}
    model = llm(peers["chat"].url, **of_llm).model_dump(mode="json", by_alias=True, exclude_none=True)
    end = {"action": {"hangup": True}}
    states = [{"name": "start", "action": {"llm": model}}, {"name": "sales", **end}, {"name": "support", **end}]
    return {"speechToText": there, "textToSpeech": there, "dialog": {"start": "start", "states": states}}


@asynccontextmanager
async def speaking(
    folder: Path, spec: dict[str, Any], secrets: Secrets | None = None
) -> AsyncIterator[SpeechProviders]:
    bot = desired_bot(VoiceBotSpec.model_validate_json(json.dumps({"fallback": FALLBACK, **spec})), "UTC")
    workers = SpeechWorkers()
    providers = SpeechProviders.of(bot, secrets or Secrets(), workers, PromptCache(folder))
    try:
        yield providers
    finally:
        await providers.close()
        await workers.close()


async def test_a_dialogue_understands_and_speaks_by_what_its_manifest_names(
    peers: dict[Kind, SpeechPeer], tmp_path: Path
) -> None:
    await peers["elevenlabs"].script("sales please")
    async with speaking(tmp_path, dialogue(peers)) as speech:
        await speech.check()
        assert speech.recognizer is not None
        stream = await speech.recognizer.open(Expected(Grammar.WORDS), "en")
        stream.write(LOUD_FRAME * 20)
        assert (await stream.finish()).text == "sales please"
        first = b"".join([piece async for piece in speech.speak("Good morning", "en")])
        again = b"".join([piece async for piece in speech.speak("Good morning", "en")])
        assert first == again
        assert len(first) > 10_000
        assert len(await peers["elevenlabs"].messages("speak")) == 1  # the second one was kept


async def test_a_mistake_in_a_language_model_is_found_before_anybody_calls(
    peers: dict[Kind, SpeechPeer], tmp_path: Path
) -> None:
    async with speaking(tmp_path, dialogue(peers, model="nothing")) as speech:
        with pytest.raises(SpeechError, match="no model nothing"):
            await speech.check()


async def test_a_language_model_that_is_away_keeps_no_bot_from_its_calls(
    peers: dict[Kind, SpeechPeer], tmp_path: Path
) -> None:
    await peers["chat"].behave("broken", at="connect")
    async with speaking(tmp_path, dialogue(peers)) as speech:
        await speech.check()


async def test_a_model_that_hears_and_speaks_needs_no_other(peers: dict[Kind, SpeechPeer], tmp_path: Path) -> None:
    model = {"provider": "openai", "secretRef": SECRET, "url": peers["openai"].url, "instructions": "Help."}
    async with speaking(tmp_path, {"realtime": model}) as speech:
        await speech.check()
        assert speech.recognizer is None
        assert len(await peers["openai"].messages("session.update")) == 1


async def test_a_missing_secret_is_named(peers: dict[Kind, SpeechPeer], tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match=r"spec\.speechToText\.secretRef: there is no Secret speech") as caught:
        async with speaking(tmp_path, dialogue(peers), Secrets(None)):
            pass
    assert caught.value.fault is SpeechFault.REFUSED
