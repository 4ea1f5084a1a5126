"""The paid providers of a bot, as a manifest asks for them, at the peers that speak their protocols."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from dialplane.resources.dialog import Llm
from dialplane.resources.voice_bot import Realtime, SpeechToText, TextToSpeech
from dialplane.services.voicebot.speech.contract import FRAME_BYTES, SILENT_FRAME, RealtimeEvent, RealtimeSession
from dialplane.services.voicebot.speech.provider import ProviderLimits
from testbed.speech.peer import Kind, SpeechPeer
from testbed.speech.sound import tone

KEY = "4711:key-of-the-test-bed"
PATIENT = ProviderLimits(connect_seconds=20.0, answer_seconds=20.0, end_seconds=20.0, close_seconds=0.2)
"""For whatever answers, however busy the machine is."""
IMPATIENT = ProviderLimits(connect_seconds=0.5, answer_seconds=0.5, end_seconds=0.5, close_seconds=0.1)
"""For whatever does not answer."""
SECRET = {"name": "speech", "key": "key"}
LOUD_FRAME = tone(300, 16_000)[:FRAME_BYTES]


@asynccontextmanager
async def started(directory: Path, kinds: Sequence[Kind]) -> AsyncIterator[dict[Kind, SpeechPeer]]:
    """Start them at a time."""
    peers = await asyncio.gather(*(SpeechPeer.start(kind, directory, key=KEY) for kind in kinds))
    try:
        yield dict(zip(kinds, peers, strict=True))
    finally:
        await asyncio.gather(*(peer.stop() for peer in peers))


def speech_to_text(url: str, **fields: Any) -> SpeechToText:
    return SpeechToText.model_validate({"provider": "elevenlabs", "secretRef": SECRET, "url": url, **fields})


def text_to_speech(url: str, **fields: Any) -> TextToSpeech:
    return TextToSpeech.model_validate({"provider": "elevenlabs", "secretRef": SECRET, "url": url, **fields})


def realtime(provider: str, url: str, **fields: Any) -> Realtime:
    spec = {"provider": provider, "secretRef": SECRET, "url": url, "instructions": "Be brief."}
    return Realtime.model_validate_json(json.dumps({**spec, **fields}))


def llm(url: str, **fields: Any) -> Llm:
    spec = {
        "url": url,
        "secretRef": SECRET,
        "model": "gpt-5-mini",
        "instructions": "Find out whom the caller wants.",
        "intents": [
            {"name": "sales", "description": "They want to buy."},
            {"name": "support", "description": "Something is broken."},
        ],
        "outcomes": [{"outcome": "sales", "to": "sales"}, {"outcome": "support", "to": "support"}],
        "otherwise": "start",
    }
    return Llm.model_validate_json(json.dumps({**spec, **fields}))


def secret(key: str = KEY) -> SecretStr:
    return SecretStr(key)


async def speak(session: RealtimeSession, *, loud: int = 20, silent: int = 40) -> None:
    """Have the caller say something for so many frames of 20 ms, as fast as it goes."""
    for _ in range(loud):
        session.write(LOUD_FRAME)
    for _ in range(silent):
        session.write(SILENT_FRAME)
    await asyncio.sleep(0)


async def until(events: AsyncIterator[RealtimeEvent], kind: type[RealtimeEvent]) -> list[RealtimeEvent]:
    """Return the events up to the first of a kind."""
    seen: list[RealtimeEvent] = []
    async with asyncio.timeout(10):
        async for event in events:
            seen.append(event)
            if isinstance(event, kind):
                return seen
    raise AssertionError(f"no {kind.__name__} among {[type(each).__name__ for each in seen]}")
