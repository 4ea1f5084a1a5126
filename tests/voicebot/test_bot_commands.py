"""`dialplane bot calls`, `show` and `erase`, before the real API."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.cli.bot import call_view
from dialplane.store import Store
from tests.api.infinity_site import word
from tests.cli.infinity import Ended
from tests.forks import dialplane
from tests.voicebot.bots_site import BotsWorld, bots_site

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path) -> AsyncIterator[BotsWorld]:
    async with bots_site(store, tmp_path) as made:
        yield made


async def run(world: BotsWorld, *arguments: str, token: str = "everything") -> Ended:
    env = {**os.environ, "DIALPLANE_URL": world.url, "DIALPLANE_TOKEN": word(token), "TZ": "UTC", "COLUMNS": "200"}
    ended = await asyncio.to_thread(dialplane, "bot", *arguments, env=env, stdin="")
    return Ended(ended.returncode, ended.stdout, ended.stderr)


async def test_calls_are_listed_shown_and_erased(world: BotsWorld) -> None:
    listed = await run(world, "calls", "--over", "-n", "2")
    assert listed.code == 0, listed.err
    assert [line.split()[2:6] for line in listed.lines[1:]] == [
        ["night", "hidden", "fallback", "20s"],
        ["reception", "+15550111", "hung_up", "1s"],
    ]
    shown = await run(world, "show", "c-1")
    assert "outcome: transferred" in shown.lines
    assert shown.lines[-2:] == [
        "2026-04-03 08:30:00  bot     How can I help?  (interrupted, 530 ms)",
        "2026-04-03 08:30:04  caller  The sales desk, please.  (= sales)",
    ]
    erased = await run(world, "erase", "030 5550-111")
    assert (erased.code, erased.lines) == (3, ["erased: 1 call, 1 recording"])
    assert "still going on, or ended just now: 1 call; erase again in two minutes" in erased.err
    left = await run(world, "calls", "--caller", "+15550111", "-o", "json")
    assert [each["id"] for each in json.loads(left.out)] == ["c-2"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"speaker": "caller", "text": ""}, "caller    (nothing understood)"),
        ({"speaker": "caller", "text": "", "details": {"keys": "1"}}, "caller    (keys 1)"),
        ({"speaker": "bot", "text": "Hello."}, "bot     Hello."),
    ],
)
async def test_a_turn_without_words_says_why(said: dict[str, Any], shown: str) -> None:
    line, _ = call_view.turn({"at": "2026-04-03T08:30:00Z", "details": {}} | said)
    assert line.endswith(shown)


@pytest.mark.parametrize(
    ("arguments", "token", "code", "said"),
    [
        (("calls", "--outcome", "fine"), "everything", 2, "there are completed, transferred, hung_up, fallback, lost"),
        (("calls", "--caller", "Ada"), "everything", 2, "'Ada' is not a telephone number"),
        (("show", "c-9"), "everything", 1, "there is no call c-9 of a bot"),
        (("show", "../x"), "everything", 2, "`dialplane bot calls` shows them"),
        (("erase", "+15550111"), "reader", 1, "this takes a token with the scope bots:manage:*"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_sentence(
    world: BotsWorld, arguments: tuple[str, ...], token: str, code: int, said: str
) -> None:
    ended = await run(world, *arguments, token=token)
    assert (ended.code, said in ended.err) == (code, True), ended.err
