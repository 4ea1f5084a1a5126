"""Calls of bots over HTTP: who may see which, in pages; recordings; and the erasure of a caller."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.services.voicebot.tables import calls
from dialplane.store import Store
from tests.api.test_api import is_problem
from tests.voicebot.bots_site import AUDIO, BotsWorld, bots_site
from tests.voicebot.calls_made import SITE, turns_kept

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path) -> AsyncIterator[BotsWorld]:
    async with bots_site(store, tmp_path) as made:
        yield made


async def test_calls_are_listed_in_pages(world: BotsWorld) -> None:
    first = (await world.ask("everything", "GET", "/calls", params={"limit": 3})).json()
    assert [each["id"] for each in first["items"]] == ["c-4", "c-3", "c-2"]
    assert first["items"][0]["outcome"] is None
    assert (first["items"][2]["seconds"], first["items"][2]["variables"]) == (1.0, {"name": "Ada"})
    assert await world.ids(limit=3, cursor=first["next"]) == ["c-1"]
    assert await world.ids(cursor="c-9") == []


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"bot": "night"}, ["c-3"]),
        ({"outcome": "hung_up"}, ["c-2"]),
        ({"active": True}, ["c-4"]),
        ({"active": False}, ["c-3", "c-2", "c-1"]),
        ({"caller": "+49305550111"}, ["c-4", "c-1"]),
        ({"caller": "0305550111"}, ["c-4", "c-1"]),
        ({"since": "2026-04-03T08:33:00Z"}, ["c-4", "c-3"]),
        ({"until": "2026-04-03T08:32:00Z"}, ["c-1"]),
        ({"campaign": "spring"}, []),
    ],
)
async def test_calls_are_looked_for(world: BotsWorld, params: dict[str, Any], found: list[str]) -> None:
    assert await world.ids(**params) == found


async def test_a_token_sees_the_calls_of_its_bots_alone(world: BotsWorld) -> None:
    assert await world.ids("reader") == ["c-4", "c-2", "c-1"]
    assert await world.ids("reader", cursor="c-3") == []
    assert await world.ids("reader", bot="night") == []
    assert await world.ids("texts") == []
    for token, path in (("reader", "/calls/c-3"), ("texts", "/calls/c-1"), ("texts", "/calls/c-1/recording")):
        is_problem(await world.ask(token, "GET", path), 404)


async def test_a_call_is_shown_with_what_was_said(world: BotsWorld) -> None:
    found = (await world.ask("reader", "GET", "/calls/c-1")).json()
    assert (found["outcome"], found["target"], found["recorded"]) == ("transferred", "sales", True)
    assert "recording" not in found, "a key of the storage is nobody's business"
    assert [(each["number"], each["speaker"], each["text"]) for each in found["turns"]] == [
        (1, "bot", "How can I help?"),
        (2, "caller", "The sales desk, please."),
    ]
    assert found["turns"][0]["details"]["recognition"] == 0.1
    is_problem(await world.ask("reader", "GET", "/calls/c-9"), 404)


async def test_a_recording_is_heard_as_it_was_stored(world: BotsWorld) -> None:
    answer = await world.ask("reader", "GET", "/calls/c-1/recording")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert answer.headers["content-disposition"] == 'attachment; filename="c-1.wav"'
    assert answer.content == AUDIO
    is_problem(await world.ask("reader", "GET", "/calls/c-2/recording"), 404)
    (world.folder / "objects" / "reception" / "c-1.wav").unlink()
    is_problem(await world.ask("reader", "GET", "/calls/c-1/recording"), 404)


async def test_a_caller_is_erased_by_who_manages_all_bots(world: BotsWorld) -> None:
    for token in ("reader", "janitor", "texts"):
        is_problem(await world.ask(token, "DELETE", "/callers/+49305550111"), 403)
    is_problem(await world.ask("manager", "DELETE", "/callers/Ada"), 422)
    erased = await world.ask("manager", "DELETE", "/callers/+49305550111")
    assert erased.json() == {"calls": 1, "recordings": 1, "goingOn": 1}
    assert await world.ids() == ["c-4", "c-3", "c-2"]
    assert (world.objects, turns_kept(world.store)) == (set(), 0)
    assert calls.get(world.store, SITE, "c-1") is None


async def test_where_the_storage_is_away_nothing_is_said_to_be_erased(world: BotsWorld) -> None:
    objects = world.folder / "objects"
    objects.rename(world.folder / "away")
    objects.write_text("no folder")
    problem = await world.ask("manager", "DELETE", "/callers/+49305550111")
    is_problem(problem, 503)
    assert calls.get(world.store, SITE, "c-1") is not None
