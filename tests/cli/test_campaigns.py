"""`dialplane campaign`, before the real API."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from dialplane.services.infinity.tables import destination_claims
from dialplane.services.infinity.tables.destinations import Settled
from dialplane.store import Store
from tests.api.infinity_site import word
from tests.cli.infinity import Commands, Told, commands, interrupted, until
from tests.forks import on_a_terminal
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGUN = {"total": 4, "remaining": 4}
HALF = {"total": 4, "dialed": 3, "answered": 1, "failed": 1, "remaining": 2, "active_calls": 1, "answer_percent": 50}
DONE = {"total": 4, "dialed": 5, "answered": 2, "failed": 1, "skipped": 1, "phase": "Completed"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Commands]:
    async with commands(tmp_path_factory.mktemp("campaigns")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def spring(served: Commands) -> AsyncIterator[Told]:
    """In place of the real campaigns: half of it is done, until a test tells more."""
    port = served.world.port
    told = Told(served.world.store, SITE, port.dialer)
    told.looks = [HALF]
    real, port.campaigns = port.campaigns, told
    yield told
    port.campaigns = real


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(tmp_path: Path) -> AsyncIterator[Commands]:
    """Before a site whose real campaign `spring`, which pauses, has no list yet."""
    async with commands(tmp_path) as made:
        yield made


async def test_campaigns_are_listed_with_how_far_they_are(served: Commands, spring: Told) -> None:
    spring.looks = [HALF | {"phase": "Waiting", "why": "the window opens at 09:00"}]
    listed = await served.run("campaign", "list")
    assert re.split(" {2,}", listed.lines[1]) == [
        "spring", "acme", "Waiting", "4", "3", "1", "1", "0", "2", "1", "the window opens at 09:00",
    ]  # fmt: skip
    shown = await served.run("campaign", "show", "spring")
    assert shown.lines[0] == "spring: Waiting, the window opens at 09:00"
    assert {"total: 4", "answer_percent: 50"} <= set(shown.lines)


async def test_a_campaign_that_is_watched_tells_what_changes_and_ends_with_it(served: Commands, spring: Told) -> None:
    spring.looks = [BEGUN, HALF, HALF, DONE]
    ended = await served.run("campaign", "watch", "spring")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [
        "spring: Running: 0 of 4 done; 0 dialed, 0 answered, 0 failed, 0 skipped, 4 remaining",
        "spring: Running: 2 of 4 done; 3 dialed, 1 answered, 1 failed, 0 skipped, 2 remaining",
        "spring: Completed: 4 of 4 done; 5 dialed, 2 answered, 1 failed, 1 skipped, 0 remaining",
    ]


async def test_on_a_terminal_it_is_a_bar(served: Commands, spring: Told, tmp_path: Path) -> None:
    spring.looks = [HALF, DONE]
    env = {"DIALPLANE_URL": served.url, "DIALPLANE_TOKEN": word("everything"), "COLUMNS": "100"}
    seen = await asyncio.to_thread(on_a_terminal, "campaign", "watch", "spring", cwd=tmp_path, **env)
    plain = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", seen)
    for words in ("spring  Running  50%", "3 dialed", "50 % of the last ones answered", "Completed  100%", "━━━━"):
        assert words in plain
    assert not re.search("━ *[0-9]", plain), "the counts have a line of their own"
    assert "2 remaining  1 calls now" in plain


async def test_who_stops_watching_stops_no_campaign(served: Commands, spring: Told) -> None:
    del spring
    process = await served.begin("campaign", "watch", "spring")
    await until(process, "Running")
    ended = await interrupted(process)
    assert (ended.code, "the campaign goes on" in ended.err) == (130, True)


async def test_a_list_is_uploaded_from_a_file_or_a_pipe(fresh: Commands, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("number,caseId,name\n+15550111,case-1,Zoë\n", encoding="utf-8")
    ended = await fresh.run("campaign", "upload", "spring", str(tmp_path / "people.csv"))
    assert (ended.code, ended.out) == (0, "spring: 1 people (1 added)\n"), ended.err
    listed = await fresh.run("campaign", "destinations", "spring", "-o", "json")
    (only,) = json.loads(listed.out)
    assert (only["number"], only["case_id"], only["custom_params"]) == ("+15550111", "case-1", {"name": "Zoë"})
    piped = await fresh.run("campaign", "upload", "spring", "-", "-o", "json", given="number\n+15550111\n+15550112\n")
    assert json.loads(piped.out)["total"] == 2


async def test_what_is_wrong_in_a_list_is_a_line_each(fresh: Commands) -> None:
    ended = await fresh.run("campaign", "upload", "spring", "-", given="number\nmum\n+15550111\ndad\n")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "-: line 2, number: not a telephone number: 2 to 20 digits, with at most one + in front",
        "-: line 4, number: not a telephone number: 2 to 20 digits, with at most one + in front",
        "dialplane: the list cannot be read: nothing of it was taken",
    ]
    shown = await fresh.run("campaign", "show", "spring", "-o", "json")
    assert json.loads(shown.out)["total"] == 0


async def test_whom_it_calls_is_listed_page_by_page(fresh: Commands) -> None:
    people = [f"+155501{n:02}" for n in range(1, 300)]
    await fresh.run("campaign", "upload", "spring", "-", given="\n".join(["number", *people]))
    missed = {*people[:99:2], *people[99:]}
    await fresh.world.store.call(call_once, missed)
    listed = await fresh.run("campaign", "destinations", "spring", "-n", "3")
    assert [line.split()[:3] for line in listed.lines[1:]] == [
        ["+15550101", "failed", "1"],
        ["+15550102", "waiting", "0"],
        ["+15550103", "failed", "1"],
    ]
    found = await fresh.run("campaign", "destinations", "spring", "--state", "failed", "-n", "1000", "-o", "json")
    assert [each["number"] for each in json.loads(found.out)] == [each for each in people if each in missed]
    assert len(missed) == 250


def call_once(store: Store, missed: set[str]) -> None:
    """As a campaign does that has one attempt for each; of the others the platform was never asked."""
    now = datetime.now(UTC)
    claims = destination_claims.claim(store, SITE, "uid-of-spring", limit=1000, max_attempts=1, now=now)
    ends = [
        Settled(each.seq, each.request_key, "missed", now, 1, f"call-{each.seq:020}", "NotAnswered")
        if each.number in missed
        else Settled(each.seq, each.request_key, "given_back", now, 1)
        for each in claims.taken
    ]
    destination_claims.settle(store, ends, now=now)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "autumn"], 1, "there is no Campaign autumn"),
        (["watch", "autumn"], 1, "there is no Campaign autumn"),
        (["show", "../configs"], 2, "no name of a Campaign"),
        (["upload", "spring", "nowhere.csv"], 2, "cannot read nowhere.csv: No such file"),
    ],
)
async def test_what_cannot_be_done_is_one_line(served: Commands, arguments: list[str], code: int, said: str) -> None:
    ended = await served.run("campaign", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
