"""The speech providers' peers: strict where the real ones are, over their sockets."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from testbed.speech.peer import Kind, SpeechPeer
from testbed.speech.sound import LETTER_SECONDS, Ear, speech

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "key-of-the-test"
BEARER = {"Authorization": f"Bearer {KEY}"}
KINDS: tuple[Kind, ...] = ("elevenlabs", "openai", "doubao", "chat")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[Kind, SpeechPeer]]:
    folder = tmp_path_factory.mktemp("speech")
    started = await asyncio.gather(*(SpeechPeer.start(kind, folder, key=KEY) for kind in KINDS))
    yield dict(zip(KINDS, started, strict=True))
    await asyncio.gather(*(peer.stop() for peer in started))


def session(**changes: Any) -> dict[str, Any]:
    pcm = {"type": "audio/pcm", "rate": 24000}
    sound = {
        "input": {"format": pcm, "turn_detection": {"type": "server_vad", "silence_duration_ms": 500}},
        "output": {"format": pcm, "voice": "marin"},
    }
    return {"type": "realtime", "audio": sound, **changes}


async def exchange(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    async with asyncio.timeout(5):
        return dict(json.loads(await socket.recv()))


async def test_openai_s_shapes_of_2024_are_refused(peers: dict[Kind, SpeechPeer]) -> None:
    url = peers["openai"].url.replace("http", "ws") + "/realtime?model=gpt-realtime"
    async with connect(url, additional_headers=BEARER) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"
        assert (await exchange(socket, {"type": "session.update", "session": session(type="")}))["type"] == "error"
        assert (await exchange(socket, {"type": "session.update", "session": session()}))["type"] == "session.updated"
        audio = base64.b64encode(bytes(960)).decode()
        assert (await exchange(socket, {"type": "input_audio.append", "audio": audio}))["type"] == "error"


async def test_openai_cuts_no_more_than_there_is_and_cancels_only_what_goes_on(peers: dict[Kind, SpeechPeer]) -> None:
    url = peers["openai"].url.replace("http", "ws") + "/realtime?model=gpt-realtime"
    async with connect(url, additional_headers=BEARER) as socket:
        await socket.recv()
        cut = {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 1}
        assert (await exchange(socket, cut))["error"]["code"] == "invalid_value"
        assert (await exchange(socket, {"type": "response.cancel"}))["error"]["code"] == "response_cancel_not_active"


async def test_elevenlabs_wants_its_settings(peers: dict[Kind, SpeechPeer]) -> None:
    url = f"{peers['elevenlabs'].url}/v1/speech-to-text/realtime".replace("http", "ws")
    for query, kind in (
        ("model_id=scribe_v2_realtime&audio_format=pcm_16000&commit_strategy=manual", "session_started"),
        ("model_id=scribe_v2_realtime&audio_format=pcm_16000", "input_error"),
        ("model_id=nothing&audio_format=pcm_16000&commit_strategy=manual", "input_error"),
    ):
        async with connect(f"{url}?{query}", additional_headers={"xi-api-key": KEY}) as socket:
            assert json.loads(await socket.recv())["message_type"] == kind
    async with connect(f"{url}?{query}", additional_headers={"xi-api-key": "another"}) as socket:
        assert json.loads(await socket.recv())["message_type"] == "auth_error"


async def test_doubao_ends_what_is_no_frame_of_its_document(peers: dict[Kind, SpeechPeer]) -> None:
    headers = {
        "X-Api-Key": KEY,
        "X-Api-Resource-Id": "volc.speech.dialog",
    }
    begin = bytes([17, 20, 16, 0, 0, 0, 0, 1, 0, 0, 0, 2, 123, 125])
    for frame, answer in (
        (begin, bytes([17, 148, 16, 0, 0, 0, 0, 50, 0, 0, 0, 2, 123, 125])),
        (b"\x12" + begin[1:], None),
    ):
        async with connect(peers["doubao"].url.replace("http", "ws"), additional_headers=headers) as socket:
            await socket.send(frame)
            if answer is None:
                async with asyncio.timeout(5):
                    await socket.wait_closed()
            else:
                assert await socket.recv() == answer


async def test_chat_completions_want_a_key_and_a_model(peers: dict[Kind, SpeechPeer]) -> None:
    body = {"model": "gpt-5-mini", "messages": [], "tools": []}
    url = f"{peers['chat'].url}/chat/completions"
    async with httpx.AsyncClient() as client:
        answer = await client.post(url, json=body, headers=BEARER)
        assert answer.json()["choices"][0]["message"]["content"] == "how can I help you"
        assert (await client.post(url, json=body, headers={"Authorization": "Bearer no"})).status_code == 401
        assert (await client.post(url, json={**body, "model": "nothing"}, headers=BEARER)).status_code == 404


async def test_a_misbehaviour_that_there_is_not_is_said(peers: dict[Kind, SpeechPeer]) -> None:
    with pytest.raises(RuntimeError, match="there is no such thing"):
        await peers["chat"].behave("explode", at="answer")


async def test_an_ear_hears_speech_begin_and_end() -> None:
    ear, frame = Ear(16_000, 0.1), 640
    spoken = speech("hello", 16_000)
    assert len(spoken) == int(5 * LETTER_SECONDS * 16_000) * 2
    heard = [ear.hear(spoken[start : start + frame]) for start in range(0, len(spoken), frame)]
    heard += [ear.hear(bytes(frame)) for _ in range(6)]
    assert [each for each in heard if each] == ["began", "ended"]
