"""Volcengine's realtime dialogue, against the peer that speaks it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialplane.services.voicebot.speech.contract import (
    RATE,
    CallerBegan,
    ModelChose,
    ModelSpoke,
    ModelTurnEnded,
    SaidText,
    SpeechError,
    SpeechFault,
)
from dialplane.services.voicebot.speech.doubao_realtime import DoubaoRealtime, settings_of
from testbed.speech.peer import Kind, SpeechPeer
from testbed.speech.sound import LETTER_SECONDS
from tests.eventually import eventually
from tests.voicebot.speech.providers import LOUD_FRAME, PATIENT, realtime, secret, speak, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEERS = ("doubao",)


@pytest.fixture
def peer(peers: dict[Kind, SpeechPeer]) -> SpeechPeer:
    return peers["doubao"]


@pytest_asyncio.fixture(loop_scope="module")
async def model(peer: SpeechPeer) -> AsyncIterator[DoubaoRealtime]:
    made = DoubaoRealtime(realtime("doubao", peer.url), secret(), PATIENT)
    yield made
    await made.close()


async def test_the_model_greets_hears_and_answers(peer: SpeechPeer, model: DoubaoRealtime) -> None:
    await peer.script("我有一个问题 请")
    await peer.replies({"text": "请讲,我在听"})
    session = await model.open("您好,这里是示例公司")
    events = session.events()
    greeted = await until(events, ModelTurnEnded)
    assert SaidText("bot", "您好,这里是示例公司") in greeted
    audio = b"".join(event.audio for event in greeted if isinstance(event, ModelSpoke))
    assert len(audio) / 2 / RATE == pytest.approx(len("您好,这里是示例公司") * LETTER_SECONDS, abs=0.001)

    for _ in range(64):  # what a call writes need not be a frame of 20 ms
        session.write(LOUD_FRAME[:300])
        session.write(LOUD_FRAME[300:])
    await speak(session)
    answered = await until(events, ModelTurnEnded)
    assert isinstance(answered[0], CallerBegan)
    said = [event for event in answered if isinstance(event, SaidText)]
    assert said == [SaidText("caller", "我有一个问题 请"), SaidText("bot", "请讲,我在听")]
    await session.close()


async def test_the_session_is_set_up_and_ended_as_the_protocol_asks(peer: SpeechPeer, model: DoubaoRealtime) -> None:
    await (await model.open("")).close()
    await eventually(lambda: peer.messages("2"), holds=bool)
    assert [each["type"] for each in await peer.messages()] == ["1", "100", "102", "2"]
    (settings,) = await peer.messages("100")
    assert settings["asr"]["extra"] == {"end_smooth_window_ms": 600, "enable_custom_vad": True}
    assert settings["tts"]["audio_config"] == {"channel": 1, "format": "pcm_s16le", "sample_rate": 24000}
    assert settings["dialog"]["system_role"] == "Be brief."
    assert settings["dialog"]["extra"]["input_mod"] == "keep_alive"


async def test_an_interruption_cuts_the_conversation_at_what_was_heard(peer: SpeechPeer, model: DoubaoRealtime) -> None:
    await peer.replies({"text": "a long answer " * 20, "pace": 0.01}, {"text": "yes"})
    session = await model.open("")
    events = session.events()
    await speak(session)
    spoke = (await until(events, ModelSpoke))[-1]
    assert isinstance(spoke, ModelSpoke)
    session.write(LOUD_FRAME * 5)
    await until(events, CallerBegan)
    await session.heard(spoke.item, 0.05)
    await speak(session)
    after = await until(events, ModelTurnEnded)
    items = {event.item for event in after if isinstance(event, ModelSpoke)}
    assert items
    assert spoke.item not in items
    (cut,) = await peer.messages("513")
    assert (cut["item_id"], cut["audio_end_ms"]) == (spoke.item, 50)
    await session.close()


async def test_a_caller_who_says_goodbye_ends_the_call(peer: SpeechPeer, model: DoubaoRealtime) -> None:
    await peer.replies({"text": "再见", "choose": "hangup"})
    session = await model.open("")
    await speak(session)
    assert (await until(session.events(), ModelChose))[-1] == ModelChose("hangup")
    await session.close()


async def test_a_key_of_the_new_console_has_no_colon(peers: dict[Kind, SpeechPeer]) -> None:
    model = DoubaoRealtime(realtime("doubao", peers["doubao"].url), secret("another-key-without-one"), PATIENT)
    with pytest.raises(SpeechError) as caught:  # it got as far as the key
        await model.check()
    assert caught.value.fault is SpeechFault.REFUSED
    await model.close()


async def test_what_it_does_not_offer_is_found_by_the_check(peer: SpeechPeer) -> None:
    for fields in ({"voice": "nobody"}, {"model": "9"}):
        model = DoubaoRealtime(realtime("doubao", peer.url, **fields), secret(), PATIENT)
        with pytest.raises(SpeechError, match=r"spec\.realtime") as caught:
            await model.check()
        assert caught.value.fault is SpeechFault.UNSUPPORTED, fields
        await model.close()


async def test_models_that_play_characters_take_their_instructions_elsewhere() -> None:
    dialog = settings_of(realtime("doubao", "https://speech.example.com", model="2.2.0.0"))["dialog"]
    assert dialog["character_manifest"] == "Be brief."
    assert "system_role" not in dialog
    old = settings_of(realtime("doubao", "https://speech.example.com", model="O"))["dialog"]
    assert "enable_conversation_truncate" not in old["extra"]
