"""OpenAI's Realtime protocol, against the peer that speaks it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialplane.services.voicebot.speech.contract import (
    RATE,
    CallerBegan,
    ModelChose,
    ModelSpoke,
    ModelTurnEnded,
    RealtimeEvent,
    SaidText,
)
from dialplane.services.voicebot.speech.openai_realtime import OpenAiRealtime
from testbed.audio import pitch_hz
from testbed.speech.peer import Kind, SpeechPeer
from testbed.speech.sound import LETTER_SECONDS
from tests.eventually import eventually
from tests.voicebot.speech.providers import LOUD_FRAME, PATIENT, realtime, secret, speak, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEERS = ("openai",)

TRANSFER = {"name": "sales", "description": "They want to buy.", "to": {"extension": "101"}}


@pytest.fixture
def peer(peers: dict[Kind, SpeechPeer]) -> SpeechPeer:
    return peers["openai"]


@pytest_asyncio.fixture(loop_scope="module")
async def model(peer: SpeechPeer) -> AsyncIterator[OpenAiRealtime]:
    made = OpenAiRealtime(realtime("openai", peer.url, transfers=[TRANSFER]), secret(), PATIENT)
    yield made
    await made.close()


def audio_of(events: list[RealtimeEvent]) -> bytes:
    return b"".join(event.audio for event in events if isinstance(event, ModelSpoke))


def texts_of(events: list[RealtimeEvent]) -> list[tuple[str, str]]:
    return [(event.speaker, event.text) for event in events if isinstance(event, SaidText)]


async def test_the_model_greets_hears_and_answers(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await peer.script("I have a question")
    await peer.replies({"text": "go ahead please"})
    session = await model.open('Hello, this is "Example".')
    events = session.events()
    greeted = await until(events, ModelTurnEnded)
    assert texts_of(greeted) == [("bot", 'Hello, this is "Example".')]
    seconds = len(audio_of(greeted)) / 2 / RATE
    assert seconds == pytest.approx(len('Hello, this is "Example".') * LETTER_SECONDS, abs=0.001)
    assert pitch_hz(memoryview(audio_of(greeted)).cast("h")[::2]) == pytest.approx(440, abs=4)

    await speak(session)
    answered = await until(events, ModelTurnEnded)
    assert isinstance(answered[0], CallerBegan)
    assert texts_of(answered) == [("caller", "I have a question"), ("bot", "go ahead please")]
    items = {event.item for event in [*greeted, *answered] if isinstance(event, ModelSpoke)}
    assert len(items) == 2
    await session.close()


async def test_the_session_is_set_up_as_a_call_needs_it(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await (await model.open("")).close()
    (sent,) = await peer.messages("session.update")
    session = sent["session"]
    assert session["instructions"] == "Be brief."
    assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is False
    assert [tool["name"] for tool in session["tools"]] == ["hangup", "sales"]
    assert not await peer.messages("response.create")


async def test_an_interruption_cancels_and_cuts_at_what_was_heard(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await peer.replies({"text": "a long answer " * 20, "pace": 0.01}, {"text": "yes"})
    session = await model.open("")
    events = session.events()
    await speak(session)
    spoke = (await until(events, ModelSpoke))[-1]
    assert isinstance(spoke, ModelSpoke)
    session.write(LOUD_FRAME * 5)
    await until(events, CallerBegan)
    await session.heard(spoke.item, 0.05)
    after = await until(events, ModelTurnEnded)
    assert not audio_of(after)
    await eventually(lambda: peer.messages("conversation.item.truncate"), holds=bool)
    (cut,) = await peer.messages("conversation.item.truncate")
    assert (cut["item_id"], cut["audio_end_ms"], cut["content_index"]) == (spoke.item, 50, 0)
    assert len(await peer.messages("response.cancel")) == 1
    await speak(session)
    assert audio_of(await until(events, ModelTurnEnded))
    await session.close()


async def test_what_was_not_begun_to_be_heard_is_forgotten_whole(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    session = await model.open("One moment")
    events = session.events()
    (first,) = {each.item for each in await until(events, ModelTurnEnded) if isinstance(each, ModelSpoke)}
    await peer.replies({"text": "a long answer " * 20, "pace": 0.01})
    await speak(session)
    second = (await until(events, ModelSpoke))[-1]
    assert isinstance(second, ModelSpoke)
    await session.heard(first, 0.1)  # the caller's ear is behind the model
    assert not audio_of(await until(events, ModelTurnEnded))
    assert [each["item_id"] for each in await peer.messages("conversation.item.delete")] == [second.item]
    assert [each["item_id"] for each in await peer.messages("conversation.item.truncate")] == [first]
    await session.close()


@pytest.mark.parametrize(
    ("seconds", "sent", "milliseconds"),
    [(0.0, "conversation.item.delete", None), (99.0, "conversation.item.truncate", 150)],
    ids=["nothing was heard", "more than there is"],
)
async def test_never_more_is_cut_than_there_is(
    peer: SpeechPeer, model: OpenAiRealtime, seconds: float, sent: str, milliseconds: int | None
) -> None:
    session = await model.open("Yes")  # 150 ms
    spoke = (await until(session.events(), ModelTurnEnded))[0]
    assert isinstance(spoke, ModelSpoke)
    await session.heard(spoke.item, seconds)
    await eventually(lambda: peer.messages(sent), holds=bool)
    (cut,) = await peer.messages(sent)
    assert cut.get("audio_end_ms") == milliseconds
    assert not await peer.messages("response.cancel")  # the answer had ended
    await session.close()


async def test_the_model_transfers_by_name_after_its_words(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await peer.replies({"text": "I put you through", "choose": "sales"})
    session = await model.open("")
    await speak(session)
    events = await until(session.events(), ModelChose)
    assert events[-1] == ModelChose("sales")
    assert audio_of(events)
    await session.close()


async def test_what_nobody_offered_is_not_chosen(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await peer.replies({"choose": "dial_a_premium_number"})
    session = await model.open("")
    await speak(session)
    events = await until(session.events(), ModelTurnEnded)
    assert not any(isinstance(event, ModelChose) for event in events)
    await session.close()


async def test_a_choice_in_an_answer_that_was_cancelled_does_not_count(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await peer.replies({"text": "a long answer " * 20, "pace": 0.01, "choose": "hangup"})
    session = await model.open("")
    events = session.events()
    await speak(session)
    spoke = (await until(events, ModelSpoke))[-1]
    assert isinstance(spoke, ModelSpoke)
    await session.heard(spoke.item, 0.1)
    rest = await until(events, ModelTurnEnded)
    assert not any(isinstance(event, ModelChose) for event in rest)
    await session.close()


async def test_a_check_is_a_session_in_which_nobody_speaks(peer: SpeechPeer, model: OpenAiRealtime) -> None:
    await model.check()
    assert [each["type"] for each in await peer.messages()] == ["session.update"]


async def test_a_session_that_is_closed_has_no_more_events(model: OpenAiRealtime) -> None:
    session = await model.open("")
    await session.close()
    assert not [event async for event in session.events()]
