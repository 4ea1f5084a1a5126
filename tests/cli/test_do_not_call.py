"""`dialplane do-not-call`, before the real API: a number that is barred is called by nobody."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cli.infinity import Commands, calling

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = ("--reason", "asked on the telephone")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Commands]:
    async with calling(tmp_path_factory.mktemp("barred"), numbering={"countryCode": "49"}) as made:
        yield made


async def test_a_number_is_barred_listed_and_freed(site: Commands) -> None:
    added = await site.run("do-not-call", "add", "030 555 010", "0049-30/555011", "--tenant", "acme", *WHY)
    assert (added.code, added.lines) == (
        0,
        ["+4930555010 is not called any more for acme", "+4930555011 is not called any more for acme"],
    ), added.err
    refused = await site.call("--no-follow", to="+4930555010")
    assert refused.code == 1
    assert "on a do-not-call list" in refused.err
    assert "the customer was not rung" in refused.err
    listed = await site.run("do-not-call", "list", "--number", "+49 30 555010", "-o", "json")
    assert [(each["number"], each["tenant"], each["reason"]) for each in json.loads(listed.out)] == [
        ("+4930555010", "acme", "asked on the telephone")
    ]
    freed = await site.run("do-not-call", "remove", "+4930555010", "--tenant", "acme", "--reason", "a new owner")
    assert (freed.code, freed.lines) == (0, ["+4930555010 is off the list for acme"]), freed.err
    assert (await site.call("--no-follow", to="+4930555010")).code == 0
    changes = await site.run("do-not-call", "list", "--changes")
    assert [line.split()[2] for line in changes.lines[-3:]] == ["removed", "added", "added"]
    assert "everything" in changes.out


@pytest.mark.parametrize(
    ("arguments", "token", "code", "said"),
    [
        (("add", "Ada", *WHY), "everything", 2, "'Ada' is not a telephone number"),
        (("add", "+4930555012"), "everything", 2, "--reason"),
        (("add", "030555012", *WHY), "everything", 1, "number: whose number it is cannot be known"),
        (("add", "+4930555012", *WHY), "manager", 1, "name a tenant, or use one with infinity:manage:*"),
        (("remove", "+4930555012", *WHY), "everything", 1, "the number is not on the list of the whole site"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_sentence(
    site: Commands, arguments: tuple[str, ...], token: str, code: int, said: str
) -> None:
    ended = await site.run("do-not-call", *arguments, token=token)
    assert (ended.code, said in ended.err) == (code, True), ended.err
