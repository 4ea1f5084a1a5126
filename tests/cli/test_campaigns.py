"""`dialplane campaign`, before the real API."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from dialplane.store.destinations import Destination
from tests.cli.infinity import Campaign, Commands, commands, interrupted, until
from tests.cli.test_commands import on_a_terminal
from tests.web.infinity_site import word

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGUN = {"total": 4, "remaining": 4}
HALF = {"total": 4, "dialed": 3, "answered": 1, "failed": 1, "remaining": 2, "active_calls": 1, "answer_percent": 50}
DONE = {"total": 4, "dialed": 5, "answered": 2, "failed": 1, "skipped": 1, "phase": "Completed"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Commands]:
    async with commands(tmp_path_factory.mktemp("campaigns")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def spring(served: Commands) -> Campaign:
    campaign = Campaign(HALF)
    served.world.port.campaigns = campaign
    return campaign


async def test_campaigns_are_listed_with_how_far_they_are(served: Commands, spring: Campaign) -> None:
    spring.looks = [HALF | {"phase": "Waiting", "why": "the window opens at 09:00"}]
    listed = await served.run("campaign", "list")
    assert re.split(" {2,}", listed.lines[1]) == [
        "spring", "acme", "Waiting", "4", "3", "1", "1", "0", "2", "1", "the window opens at 09:00",
    ]  # fmt: skip
    shown = await served.run("campaign", "show", "spring")
    assert shown.lines[0] == "spring: Waiting, the window opens at 09:00"
    assert {"total: 4", "answer_percent: 50"} <= set(shown.lines)


async def test_a_campaign_that_is_watched_tells_what_changes_and_ends_with_it(
    served: Commands, spring: Campaign
) -> None:
    spring.looks = [BEGUN, HALF, HALF, DONE]
    ended = await served.run("campaign", "watch", "spring")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [
        "spring: Running: 0 of 4 done; 0 dialed, 0 answered, 0 failed, 0 skipped, 4 remaining",
        "spring: Running: 2 of 4 done; 3 dialed, 1 answered, 1 failed, 0 skipped, 2 remaining",
        "spring: Completed: 4 of 4 done; 5 dialed, 2 answered, 1 failed, 1 skipped, 0 remaining",
    ]


async def test_on_a_terminal_it_is_a_bar(served: Commands, spring: Campaign, tmp_path: Path) -> None:
    spring.looks = [HALF, DONE]
    env = {"DIALPLANE_URL": served.url, "DIALPLANE_TOKEN": word("everything"), "COLUMNS": "100"}
    seen = await asyncio.to_thread(on_a_terminal, "campaign", "watch", "spring", cwd=tmp_path, **env)
    plain = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", seen)
    for words in ("spring  Running  50%", "3 dialed", "50 % of the last ones answered", "Completed  100%", "━━━━"):
        assert words in plain
    assert not re.search("━ *[0-9]", plain), "the counts have a line of their own"
    assert "2 remaining  1 calls now" in plain


async def test_who_stops_watching_stops_no_campaign(served: Commands, spring: Campaign) -> None:
    del spring
    process = await served.begin("campaign", "watch", "spring")
    await until(process, "Running")
    ended = await interrupted(process)
    assert (ended.code, "the campaign goes on" in ended.err) == (130, True)


async def test_a_list_is_uploaded_from_a_file_or_a_pipe(served: Commands, spring: Campaign, tmp_path: Path) -> None:
    people = "number,caseId\n+15550111,Zoë\n"
    (tmp_path / "people.csv").write_text(people, encoding="utf-8")
    ended = await served.run("campaign", "upload", "spring", str(tmp_path / "people.csv"))
    assert (ended.code, ended.out) == (0, "spring: 1 people (1 added)\n")
    assert spring.uploaded == people
    piped = await served.run("campaign", "upload", "spring", "-", "-o", "json", given=b"number\n1\n2\n")
    assert json.loads(piped.out)["total"] == 2


async def test_what_is_wrong_in_a_list_is_a_line_each(served: Commands, spring: Campaign) -> None:
    ended = await served.run("campaign", "upload", "spring", "-", given=b"mum\n")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "-: line 1: the first line names the columns",
        "dialplane: the list cannot be read: nothing of it was taken",
    ]
    assert not spring.uploaded


async def test_whom_it_calls_is_listed_page_by_page(served: Commands, spring: Campaign) -> None:
    now = datetime(2026, 4, 3, 8, 30, tzinfo=UTC)
    spring.people = [
        Destination(n, f"+155501{n:02}", None, {}, True, "failed" if n % 2 else "waiting", n, now, None, None, None)
        for n in range(1, 100)
    ] + [Destination(n, f"+155502{n}", None, {}, True, "failed", 1, now, None, None, None) for n in range(100, 300)]
    listed = await served.run("campaign", "destinations", "spring", "-n", "3")
    assert [line.split()[:3] for line in listed.lines[1:]] == [
        ["+15550101", "failed", "1"],
        ["+15550102", "waiting", "2"],
        ["+15550103", "failed", "3"],
    ]
    found = await served.run("campaign", "destinations", "spring", "--state", "failed", "-n", "1000", "-o", "json")
    assert len(json.loads(found.out)) == 250


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "winter"], 1, "there is no Campaign winter"),
        (["watch", "winter"], 1, "there is no Campaign winter"),
        (["show", "../configs"], 2, "no name of a Campaign"),
        (["upload", "spring", "nowhere.csv"], 2, "cannot read nowhere.csv: No such file"),
    ],
)
async def test_what_cannot_be_done_is_one_line(
    served: Commands, spring: Campaign, arguments: list[str], code: int, said: str
) -> None:
    del spring
    ended = await served.run("campaign", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
