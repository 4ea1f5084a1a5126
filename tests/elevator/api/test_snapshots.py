"""Pictures over HTTP: a device is asked for one, and those there are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from dialplane.services.elevator.api import snapshots as paths
from dialplane.services.elevator.api.limits import WATCHING
from dialplane.services.elevator.tables import commands
from dialplane.services.elevator.tables.commands import Command
from dialplane.store import Store
from tests.api.test_api import is_problem
from tests.elevator.api.devices_site import DevicesWorld, devices_site
from tests.elevator.camera import photograph
from tests.eventually import eventually
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTOGRAPH = photograph()


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path) -> AsyncIterator[DevicesWorld]:
    async with devices_site(store, tmp_path) as made:
        made.connect("town-hall-1")
        yield made


async def asked(world: DevicesWorld) -> tuple["asyncio.Task[httpx.Response]", Command]:
    """A request that waits, and the command that the device has now."""
    asking = asyncio.create_task(world.ask("commander", "GET", "/remote/town-hall-1/snapshot"))
    (command,) = await eventually(world.claim)
    assert (command.name, command.physical, command.token) == ("SNAPSHOT", False, "commander")
    return asking, command


@pytest.mark.parametrize("names_the_command", [True, False], ids=["new device", "old device"])
async def test_a_device_is_asked_for_a_picture_and_its_address_is_answered(
    world: DevicesWorld, names_the_command: bool
) -> None:
    await world.service.pictures.take("town-hall-1", PHOTOGRAPH, "cmd-before")
    await eventually(lambda: len(world.pictures("town-hall-1")) == 1)
    asking, command = await asked(world)
    await world.service.pictures.take("town-hall-1", PHOTOGRAPH, command.id if names_the_command else None)
    answer = await asking
    assert answer.status_code == 200, answer.text
    picture = answer.json()
    assert (picture["device_id"], picture["media_type"]) == ("town-hall-1", "image/jpeg")
    seen = await world.client.get(picture["url"])
    assert (seen.status_code, seen.headers["content-type"], len(seen.content)) == (200, "image/jpeg", picture["size"])
    listed = (await world.ask("reader", "GET", "/town-hall-1/snapshots", params={"limit": 1})).json()
    assert [each["taken_at"] for each in listed["items"]] == [picture["taken_at"]]
    assert listed["next"] is not None
    state = (await world.ask("reader", "GET", "/town-hall-1")).json()
    assert state["last_snapshot"]["taken_at"] == picture["taken_at"]
    lasting = state["last_snapshot"]["url"]
    assert (await world.ask("reader", "GET", lasting)).status_code == 200
    is_problem(await world.ask("texts", "GET", lasting), 403)


async def test_another_picture_than_the_one_that_was_asked_for_is_no_answer(
    world: DevicesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PICTURE_SECONDS", 1.0)
    asking, command = await asked(world)
    await world.service.pictures.take("town-hall-1", PHOTOGRAPH, "cmd-another")
    answer = await asking
    assert (answer.status_code, answer.json()["id"]) == (202, command.id)
    shown = await world.ask("commander", "GET", answer.headers["location"])
    assert (shown.status_code, shown.json()["state"]) == (200, "sent")
    assert WATCHING.of(world.app).open == 0


async def test_a_device_that_refuses_is_answered_at_once(world: DevicesWorld) -> None:
    asking, command = await asked(world)
    world.change(command, "rejected", reason="the lens is covered")
    assert "rejected" in is_problem(await asking, 502)


@pytest.mark.parametrize(
    ("token", "device", "status"),
    [
        ("everything", "town-hall-2", 404),
        ("everything", "nowhere", 404),
        ("everything", "museum", 403),
        ("reader", "town-hall-1", 403),
    ],
)
async def test_who_cannot_be_asked_is_not(world: DevicesWorld, token: str, device: str, status: int) -> None:
    is_problem(await world.ask(token, "GET", f"/remote/{device}/snapshot"), status)
    assert commands.page(world.store, SITE, device, limit=9).commands == ()


async def test_only_so_many_wait_for_pictures_at_a_time(world: DevicesWorld) -> None:
    path = "/remote/town-hall-1/snapshot"
    waiting = [asyncio.create_task(world.ask("commander", "GET", path)) for _ in range(WATCHING.each)]
    await eventually(lambda: len(commands.page(world.store, SITE, "town-hall-1", limit=99).commands) == WATCHING.each)
    assert WATCHING.of(world.app).open == WATCHING.each
    is_problem(await world.ask("commander", "GET", path), 429)
    await world.service.pictures.take("town-hall-1", PHOTOGRAPH)
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
    assert WATCHING.of(world.app).open == 0
