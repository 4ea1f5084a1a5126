"""The journal of a device over HTTP: in pages, and exported."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.services.elevator.api import journal as paths
from dialplane.services.elevator.api.limits import EXPORTING
from dialplane.services.elevator.tables import journal
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.store import Store, StoreUnavailable
from tests.api.test_api import is_problem
from tests.databases import NOW
from tests.elevator.api.devices_site import DevicesWorld, devices_site
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")

NASTY = "\x1b]0;owned\x07 two\nlines \0 [bold]x[/bold] \ud800"


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path) -> AsyncIterator[DevicesWorld]:
    async with devices_site(store, tmp_path) as made:
        yield made


def note(world: DevicesWorld, number: int) -> None:
    entries = [
        NewEntry(
            "town-hall-1",
            "alarm" if place % 5 == 4 else "log",
            NOW + timedelta(minutes=place),
            {"level": "info", "text": f"line {place}"},
        )
        for place in range(number)
    ]
    journal.append(world.store, SITE, [*entries, NewEntry("town-hall-2", "log", NOW, {"text": "another's"})])


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [each["data"]["text"] for each in items]


async def test_a_journal_comes_in_pages_and_can_be_narrowed(world: DevicesWorld) -> None:
    note(world, 10)
    first = (await world.ask("reader", "GET", "/town-hall-1/journal", params={"limit": 4})).json()
    assert texts(first["items"]) == [f"line {place}" for place in (9, 8, 7, 6)]
    params = {"limit": 4, "cursor": first["next"]}
    assert (
        texts((await world.ask("reader", "GET", "/town-hall-1/journal", params=params)).json()["items"])[0] == "line 5"
    )
    since = (NOW + timedelta(minutes=4)).isoformat()
    params = {"type": ["alarm"], "since": since}
    narrowed = (await world.ask("reader", "GET", "/town-hall-1/journal", params=params)).json()
    assert (texts(narrowed["items"]), narrowed["next"]) == (["line 9", "line 4"], None)
    is_problem(await world.ask("reader", "GET", "/town-hall-2/journal"), 403)
    is_problem(await world.ask("everything", "GET", "/nowhere/journal"), 404)
    is_problem(await world.ask("reader", "GET", "/town-hall-1/journal", params={"type": "other"}), 422)


async def test_a_journal_is_exported_whole_and_in_order(world: DevicesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "AT_A_TIME", 7)
    note(world, 30)
    answer = await world.ask("reader", "GET", "/town-hall-1/journal.jsonl")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert texts([json.loads(line) for line in answer.text.splitlines()]) == [f"line {place}" for place in range(30)]
    logs = await world.ask("reader", "GET", "/town-hall-1/journal.jsonl", params={"type": "alarm"})
    assert len(logs.text.splitlines()) == 6
    assert EXPORTING.of(world.app).open == 0


async def test_whatever_a_device_wrote_is_a_line_of_json(world: DevicesWorld) -> None:
    journal.append(world.store, SITE, [NewEntry("town-hall-1", "log", datetime.now(UTC), {"text": NASTY})])
    (line,) = (await world.ask("reader", "GET", "/town-hall-1/journal.jsonl")).text.split("\n")[:-1]
    assert json.loads(line)["data"]["text"] == NASTY.replace("\ud800", "\ufffd")
    page = await world.ask("reader", "GET", "/town-hall-1/journal")
    assert texts(page.json()["items"]) == [NASTY.replace("\ud800", "\ufffd")]


async def test_an_export_that_breaks_off_says_so(world: DevicesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "AT_A_TIME", 7)
    note(world, 10)
    real = journal.page

    def failing(*args: Any, **kwargs: Any) -> journal.JournalPage:
        if kwargs["after"]:
            raise StoreUnavailable("gone")
        return real(*args, **kwargs)

    monkeypatch.setattr(journal, "page", failing)
    lines = (await world.ask("reader", "GET", "/town-hall-1/journal.jsonl")).text.splitlines()
    assert len(lines) == 8
    assert "incomplete" in json.loads(lines[-1])["error"]
