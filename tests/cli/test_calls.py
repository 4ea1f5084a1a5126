"""`dialplane call`: from the command line over the real API to a platform that plays the call, and back."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.services.infinity.tables.calls import Call, Outcome
from dialplane.services.infinity.tables.leases import CallRecord, Change
from tests.api.infinity_site import word
from tests.cli.infinity import Commands, calling, commands, interrupted, placing, until
from tests.forks import on_a_terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = f"call-{'0' * 20}"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Commands]:
    async with calling(tmp_path_factory.mktemp("calls")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def site(served: Commands) -> Commands:
    """With a platform that has forgotten every rule."""
    assert served.peer is not None
    await served.peer.ask("forget")
    return served


async def behave(site: Commands, **rule: Any) -> None:
    assert site.peer is not None
    await site.peer.ask("behave", **rule)


async def test_a_call_is_placed_and_its_life_is_a_line_for_each_state(site: Commands) -> None:
    await behave(site, talk_seconds=None)
    process = await site.begin(*placing(), "--case", "case-1", "--param", "colour=blue=green")
    seen = await until(process, "active")
    call_id = seen.splitlines()[0]
    assert re.fullmatch("call-[0-9a-f]{20}", call_id)
    await hang_up(site, call_id)
    seen += await until(process, "released")
    assert await process.wait() == 0
    states = [re.fullmatch(rf"{TIME}  (\w+) +(.+)", line) for line in seen.splitlines()[1:]]
    assert [found[1] for found in states if found][-3:] == ["dialing", "active", "released"]
    assert "released   Answered" in seen
    shown = await look(site, call_id)
    assert (shown["case_id"], shown["custom_params"]) == ("case-1", {"colour": "blue=green"})
    assert (shown["agent_id"], shown["callback_number"], shown["customer_number"]) == ("ada", "+15550101", "+15550111")


@pytest.mark.parametrize(
    ("rule", "code", "said"),
    [
        ({"outcome": "no_answer", "after": 0.1}, 3, "NotAnswered"),
        ({"answer": "refuse"}, 1, "no line is free; the customer was not rung"),
        ({"answer": "cut", "takes": True}, 0, "the customer may have been rung"),
    ],
    ids=["nobody answers", "refused", "the answer is lost, and the call goes on"],
)
async def test_the_exit_code_says_how_it_ended(site: Commands, rule: dict[str, Any], code: int, said: str) -> None:
    await behave(site, **rule)
    ended = await site.call()
    assert ended.code == code, ended.err
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_without_following_the_id_is_all(site: Commands) -> None:
    await behave(site, talk_seconds=None)
    ended = await site.call("--no-follow", "--idempotency-key", "once")
    assert (ended.code, ended.err) == (0, "")
    again = await site.call("--no-follow", "--idempotency-key", "once")
    assert (again.code, again.out) == (0, ended.out)
    assert "this key was used before" in again.err
    other = await site.call("--no-follow", "--idempotency-key", "once", to="+15550112")
    assert (other.code, "another call" in other.err) == (1, True)
    await hang_up(site, ended.out.strip())


async def test_a_lost_answer_without_following_is_an_outcome_that_nobody_knows(site: Commands) -> None:
    await behave(site, answer="cut", takes=True, talk_seconds=None)
    ended = await site.call("--no-follow", "-o", "json")
    assert (ended.code, "nobody knows whether the platform took it" in ended.err) == (5, True)
    call = json.loads(ended.out)
    assert (call["answer_lost"], call["customer_rung"]) == (True, "maybe")
    await hang_up(site, call["id"])


async def test_ctrl_c_leaves_the_call_alone_and_says_so(site: Commands) -> None:
    await behave(site, talk_seconds=None)
    process = await site.begin(*placing())
    seen = await until(process, "active")
    call_id = seen.splitlines()[0]
    ended = await interrupted(process)
    assert ended.code == 130
    assert ended.err == f"the call goes on: `dialplane call show {call_id}` shows it\n"
    assert (await look(site, call_id))["state"] == "active"
    following = await site.begin("call", "show", call_id, "--follow")
    await until(following, "active")
    await hang_up(site, call_id)
    await until(following, "released   Answered")
    assert await following.wait() == 0


async def test_where_no_extension_is_free_it_says_what_is_in_use(site: Commands) -> None:
    await behave(site, talk_seconds=None)
    held = [(await site.call("--no-follow")).out.strip() for _ in range(2)]
    ended = await site.call()
    assert ended.code == 6
    assert "2 in use, 1 free, 2 calls at most: --wait SECONDS waits for one" in ended.err
    waiting = await site.begin(*placing(), "--no-follow", "--wait", "50")
    async with asyncio.timeout(30):
        while not site.world.waiting:
            await asyncio.sleep(0.05)
    await hang_up(site, held.pop())
    seen = await until(waiting, "call-")
    assert await waiting.wait() == 0
    for call_id in [*held, seen.strip()]:
        await hang_up(site, call_id)


async def hang_up(site: Commands, call_id: str) -> None:
    assert site.peer is not None
    async with asyncio.timeout(30):
        while (await look(site, call_id))["state"] == "reserved":
            await asyncio.sleep(0.05)
        await site.peer.ask("hang_up", memberid=call_id)
        while (await look(site, call_id))["state"] != "released":
            await asyncio.sleep(0.05)


async def look(site: Commands, call_id: str) -> dict[str, Any]:
    answer = await site.world.ask("everything", "GET", f"/calls/{call_id}")
    found: dict[str, Any] = answer.json()
    return found


async def test_a_terminal_shows_a_panel_that_lives(site: Commands, tmp_path: Path) -> None:
    await behave(site, talk_seconds=1.0)
    env = {"DIALPLANE_URL": site.url, "DIALPLANE_TOKEN": word("everything"), "COLUMNS": "120"}
    seen = await asyncio.to_thread(on_a_terminal, *placing(), cwd=tmp_path, **env)
    plain = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", seen)
    for words in ("acme/800", "ada (+15550101) → +15550111", "somebody answered", "released", "Answered"):
        assert words in plain
    assert "\x1b[" in seen
    assert word("everything") not in seen


async def test_a_platform_that_nobody_reaches_rang_nobody(tmp_path: Path) -> None:
    async with commands(tmp_path) as site:
        ended = await site.call()
        assert ended.code == 4
        assert "the customer was not rung, it may be tried again" in ended.err
        listed = await site.run("call", "list", "--outcome", "NotSent")
        assert len(listed.lines) == 2


async def test_an_api_that_nobody_serves_placed_no_call(site: Commands) -> None:
    ended = await site.call("--url", "http://127.0.0.1:1")
    assert (ended.code, "does `dialplane run` serve there?" in ended.err) == (2, True)
    assert "--idempotency-key" not in ended.err


async def test_an_api_that_is_cut_off_says_how_to_ask_again(site: Commands) -> None:
    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        ended = await site.call(
            "--url", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "--idempotency-key", "mine"
        )
    assert ended.code == 5
    assert "may have been rung: ask again with --idempotency-key mine, and nobody is rung twice" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--param", "colour"], 2, "--param 'colour' is not NAME=TEXT"),
        (["--idempotency-key", "two words"], 2, "no blanks"),
        (["--wait", "61"], 2, "'--wait'"),
        (["--caller", "+15550199"], 1, "is not among the tenant's callerNumbers"),
    ],
    ids=["parameter", "key", "wait", "caller"],
)
async def test_what_was_typed_wrong_is_one_line(site: Commands, arguments: list[str], code: int, said: str) -> None:
    ended = await site.call(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_a_customer_that_is_no_number_is_one_line(site: Commands) -> None:
    ended = await site.call(to="mum")
    assert (ended.code, ended.out) == (1, "")
    assert "customer_number" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_a_token_for_reading_places_no_call(site: Commands) -> None:
    ended = await site.run(*placing(), token="reader")
    assert (ended.code, "may not place calls of" in ended.err) == (1, True)


async def test_calls_are_listed_by_whatever_they_are(tmp_path: Path) -> None:
    """Each of the others lacks one thing that is asked for."""
    async with commands(tmp_path) as site:
        wanted: dict[str, Any] = {"agent": "ada", "case_id": "case-1", "campaign": "spring"}
        asked = await over(site, "Answered", **wanted)
        for lacks in ({"agent": "bob"}, {"case_id": "case-2"}, {"campaign": None}, {"of": "globex"}):
            await over(site, "Answered", **(wanted | lacks))
        await over(site, "NotAnswered", **wanted)
        await site.world.dial(**wanted)
        filters = [
            "--agent",
            "ada",
            "--case",
            "case-1",
            "--campaign",
            "spring",
            "--tenant",
            "acme",
            "--to",
            "+15550111",
        ]
        listed = await site.run("call", "list", *filters, "--outcome", "Answered", "--since", "2020-01-01")
        assert listed.lines[0].split() == ["BEGUN", "TENANT", "EXT", "AGENT", "CUSTOMER", "STATE", "RING", "TALK", "ID"]
        assert len(listed.lines) == 2
        assert listed.lines[1].split()[3:] == [asked.number, "ada", "+15550111", "Answered", "4s", "1m05s", asked.id]
        live = await site.run("call", "list", "--state", "dialing", "-n", "1", "-o", "json")
        assert [call["outcome"] for call in json.loads(live.out)] == [None]
        assert json.loads((await site.run("call", "list", "--until", "2020-01-01", "-o", "json")).out) == []
        shown = await site.run("call", "show", asked.id)
        assert shown.lines[0] == f"{asked.id}: Answered, rang 4s, talked 1m05s"
        assert "case_id: case-1" in shown.lines


async def over(site: Commands, outcome: Outcome, **more: Any) -> Call:
    """A call that ended so."""
    call = await site.world.dial(**more)
    record = CallRecord({}, outcome == "Answered", "u", 4, 65, 16, None, None)
    changed = await site.world.port.desk.change(Change(call.id, "released", outcome=outcome, record=record))
    assert changed is not None
    return changed


@pytest.mark.parametrize(("call_id", "code", "said"), [("4711", 2, "no id of a call"), (NOBODY, 1, "there is no call")])
async def test_a_call_that_is_not_there_is_said(site: Commands, call_id: str, code: int, said: str) -> None:
    ended = await site.run("call", "show", call_id)
    assert (ended.code, said in ended.err) == (code, True)


async def test_the_shell_completes_the_names_of_tenants(site: Commands) -> None:
    site.environment = {
        "_DIALPLANE_COMPLETE": "complete_bash",
        "COMP_WORDS": "dialplane call place a",
        "COMP_CWORD": "3",
    }
    try:
        ended = await site.run()
        assert "acme" in ended.lines
        assert "globex" not in ended.out
        assert (await site.run(token="nobody-at-all")).out.strip() == ""
    finally:
        site.environment = {}
