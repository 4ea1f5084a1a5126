"""`dialplane pool`, before the real API and the real leases."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialplane.services.infinity.tables.leases import Change
from tests.cli.infinity import Commands, commands, interrupted, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Commands]:
    async with commands(tmp_path_factory.mktemp("pools")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def site(served: Commands) -> AsyncIterator[Commands]:
    """Nobody holds anything, before and afterwards."""
    yield served
    for call in served.world.made:
        await served.world.port.desk.change(Change(call.id, "released", outcome="Released"))


async def test_the_pools_are_listed_with_what_their_extensions_do(site: Commands) -> None:
    await site.world.dial()
    listed = await site.run("pool", "list")
    assert listed.lines[0].split() == [
        "TENANT",
        "TOTAL",
        "AVAILABLE",
        "IN-USE",
        "OFFLINE",
        "DRAINING",
        "CALLS",
        "MAXIMUM",
        "USED",
    ]
    assert [line.split() for line in listed.lines[1:]] == [
        ["acme", "3", "2", "1", "0", "0", "1", "2", "33%"],
        ["globex", "2", "2", "0", "0", "0", "0", "2", "0%"],
    ]


async def test_a_pool_shows_who_holds_what_since_when(site: Commands) -> None:
    call = await site.world.dial()
    shown = await site.run("pool", "show", "acme")
    assert shown.lines[0].split() == ["NUMBER", "STATE", "AGENT", "CUSTOMER", "CALL", "SINCE", "ID"]
    (held,) = [line for line in shown.lines if call.id in line]
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \([\dms]+\)"
    assert re.fullmatch(rf"{call.number} +in_use +ada +\+15550111 +dialing +{since} +{call.id}", held)
    assert shown.lines[-1] == "3 extensions: 2 available, 1 in use; 1 calls of 2 at most"
    found = json.loads((await site.run("pool", "show", "acme", "-o", "json")).out)
    assert [each["call_state"] for each in found["extensions"] if each["call"]] == ["dialing"]


async def test_a_pool_that_is_watched_tells_what_changes(site: Commands) -> None:
    process = await site.begin("pool", "show", "acme", "--watch")
    await until(process, "8003   available")
    call = await site.world.dial(agent="bob")
    seen = await until(process, "bob")
    assert f"{call.number}   in_use   bob   +15550111   dialing" in seen
    assert "available" not in seen
    assert (await interrupted(process)).code == 130


async def test_extensions_are_taken_out_of_service_and_put_back(site: Commands) -> None:
    call = await site.world.dial(of="globex")
    ended = await site.run("pool", "offline", "9001", "9002")
    assert ended.code == 0
    (busy,) = [line for line in ended.lines if line.startswith(call.number)]
    assert busy == f"{call.number}: in_use, {call.id} holds it, offline as soon as that call is over"
    assert next(line for line in ended.lines if line != busy).endswith(": offline")
    back = await site.run("pool", "online", "9001", "9002", "-o", "json")
    assert {each["state"] for each in json.loads(back.out)} == {"available", "in_use"}


async def test_where_one_extension_is_refused_those_before_it_are_told_of(site: Commands) -> None:
    ended = await site.run("pool", "offline", "8001", "7999")
    assert (ended.code, ended.out, ended.err) == (1, "8001: offline\n", "dialplane: there is no extension 7999\n")
    assert (await site.run("pool", "online", "8001")).out == "8001: available\n"


async def test_an_extension_is_released_by_its_number_or_its_agent(site: Commands) -> None:
    one, other = await site.world.dial(agent="ada"), await site.world.dial(agent="bob")
    assert (await site.run("pool", "release", one.number)).out == f"{one.number}: available\n"
    released = await site.run("pool", "release", "--agent", "bob")
    assert released.out == f"{other.number}: released, {other.id} to +15550111 is over for us\n"
    assert (await site.run("pool", "release", "--agent", "bob")).out == "bob holds no extension\n"
    assert (await site.world.state(one))["outcome"] == "Released"


@pytest.mark.parametrize(
    ("arguments", "token", "code", "said"),
    [
        (["show", "nobody"], "everything", 1, "there is no pool of nobody"),
        (["show", "globex"], "reader", 1, "may not read the tenant globex"),
        (["release"], "everything", 2, "either NUMBER… or --agent ID"),
        (["release", "8001", "--agent", "ada"], "everything", 2, "either NUMBER… or --agent ID"),
        (["release", "--agent", "a/b"], "everything", 2, "no agent's id"),
        (["offline", "80x"], "everything", 2, "no number of an extension"),
        (["offline", "7001"], "everything", 1, "there is no extension 7001"),
        (["offline", "8001"], "reader", 1, "may not manage"),
        (["show", "acme", "--watch", "-o", "json"], "everything", 2, "--watch is for people"),
    ],
)
async def test_what_cannot_be_done_is_one_line(
    site: Commands, arguments: list[str], token: str, code: int, said: str
) -> None:
    ended = await site.run("pool", *arguments, token=token)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
