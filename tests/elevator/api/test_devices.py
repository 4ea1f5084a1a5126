"""Devices over HTTP: registered, listed, with tokens of ours; and the end of an alarm."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.services.elevator.api import devices as paths
from dialplane.services.elevator.tables import devices, journal, telephones
from dialplane.store import Store
from tests.api.test_api import is_problem
from tests.elevator.api.devices_site import DevicesWorld, devices_site
from tests.eventually import eventually
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(store: Store, tmp_path: Path) -> AsyncIterator[DevicesWorld]:
    async with devices_site(store, tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def refusing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevicesWorld]:
    """One for all requests that change nothing, because each is refused."""
    folder = tmp_path_factory.mktemp("refusing")
    with closing(Store.open(f"sqlite:///{folder}/store.db")) as store:
        async with devices_site(store, folder) as made:
            yield made


async def register(world: DevicesWorld, token: str = "manager", **body: Any) -> dict[str, Any]:
    answer = await world.ask(token, "POST", "/register", json={"location": "上海中心01号", **body})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    await eventually(lambda: made["device_id"] in world.service.devices())
    return made


async def test_a_device_registers_and_only_a_digest_of_its_token_is_kept(
    world: DevicesWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await register(world, profile="town-hall-1")
    (kept,) = await world.store.call(devices.listed, SITE)
    assert (kept.device, kept.location, kept.made_by) == (made["device_id"], "上海中心01号", "manager")
    assert kept.token_digest == hashlib.sha256(made["token"].encode()).digest()
    shown = (await world.ask("manager", "GET", f"/{made['device_id']}")).json()
    assert (shown["location"], shown["registered"], shown["profile"]) == ("上海中心01号", True, "town-hall-1")
    assert [each["name"] for each in shown["allowed_commands"]] == ["REBOOT", "LIGHT", "SNAPSHOT"]
    assert world.service.devices()[made["device_id"]].token_digest == kept.token_digest
    output = capsys.readouterr()
    assert made["device_id"] in output.out
    assert made["token"] not in output.out + output.err


async def test_without_a_profile_nothing_may_be_sent_to_a_device(world: DevicesWorld) -> None:
    made = await register(world)
    assert (await world.ask("manager", "GET", f"/{made['device_id']}")).json()["allowed_commands"] == []
    is_problem(await world.send(made["device_id"]), 403)


@pytest.mark.parametrize(
    ("token", "body", "status", "words"),
    [
        ("janitor", {"location": "x"}, 403, "devices:manage:*"),
        ("commander", {"location": "x"}, 403, "devices:manage:*"),
        ("texts", {"location": "x"}, 403, "devices:manage:*"),
        ("manager", {"location": "x", "profile": "nowhere"}, 422, "no ElevatorDevice nowhere"),
        ("manager", {"location": "ü" * 40}, 422, "79 bytes"),
        ("manager", {"location": "two\nlines"}, 422, "control characters"),
        ("manager", {}, 422, "location"),
    ],
)
async def test_a_registration_that_cannot_be_is_refused(
    refusing: DevicesWorld, token: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await refusing.ask(token, "POST", "/register", json=body)
    is_problem(answer, status)
    assert words in answer.text
    assert not await refusing.store.call(devices.listed, SITE)


async def test_registrations_are_paced_and_a_site_has_only_so_many(
    world: DevicesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "DEVICES_MOST", 2)
    answers = [await world.ask("manager", "POST", "/register", json={"location": "x"}) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 2 + [409] * 8 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (await world.ask("everything", "POST", "/register", json={"location": "x"})).status_code == 409


async def test_devices_are_listed_page_by_page_and_narrowed(world: DevicesWorld) -> None:
    world.connect("town-hall-2")
    telephones.raise_alarm(world.store, SITE, "museum", datetime.now(UTC))
    await eventually(lambda: world.service.online("town-hall-2"))

    async def ids(token: str = "manager", **params: Any) -> list[str]:
        answer = await world.ask(token, "GET", "", params=params)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    assert await ids() == ["museum", "town-hall-1", "town-hall-2"]
    assert await ids(location="HALL") == ["town-hall-1", "town-hall-2"]
    assert await ids(online=True) == ["town-hall-2"]
    assert await ids(online=False) == ["museum", "town-hall-1"]
    assert await ids(alarm=True) == ["museum"]
    assert await ids(alarm=False) == ["town-hall-1", "town-hall-2"]
    assert await ids(registered=True) == []
    assert await ids("reader") == ["town-hall-1"]
    assert await ids("texts") == []
    first = (await world.ask("manager", "GET", "", params={"limit": 2})).json()
    assert first["next"] == "town-hall-1"
    assert await ids(limit=2, cursor=first["next"]) == ["town-hall-2"]


async def test_a_device_shows_what_is_recorded_of_it(world: DevicesWorld) -> None:
    world.connect("town-hall-1")
    telephones.raise_alarm(world.store, SITE, "town-hall-1", datetime.now(UTC))
    await world.send(name="SNAPSHOT")
    shown = (await world.ask("reader", "GET", "/town-hall-1")).json()
    assert (shown["address"], shown["firmware"], shown["capabilities"]) == ("192.0.2.10", "2.1", ["ack"])
    assert (shown["commands_queued"], shown["alarm"]["state"], shown["registered"]) == (1, "Raised", False)
    assert shown["connected_at"]
    is_problem(await world.ask("reader", "GET", "/town-hall-2"), 403)
    is_problem(await world.ask("manager", "GET", "/nowhere"), 404)
    is_problem(await world.ask("reader", "GET", "/nowhere"), 403)


async def test_a_declared_device_gets_a_token_and_another_one(world: DevicesWorld) -> None:
    made = [(await world.ask("janitor", "POST", "/town-hall-1/token")).json()["token"] for _ in range(2)]
    digest = hashlib.sha256(made[1].encode()).digest()
    assert made[0] != made[1]
    await eventually(lambda: world.service.devices()["town-hall-1"].token_digest == digest)
    assert len(await world.store.call(devices.listed, SITE)) == 1


@pytest.mark.parametrize(
    ("token", "device", "status", "words"),
    [
        ("everything", "museum", 409, "its token is in the Secret museum"),
        ("everything", "nowhere", 404, "no device nowhere"),
        ("commander", "town-hall-1", 403, "may not manage"),
        ("janitor", "town-hall-2", 403, "may not manage"),
    ],
)
async def test_a_token_that_cannot_be_made_is_refused(
    refusing: DevicesWorld, token: str, device: str, status: int, words: str
) -> None:
    assert words in is_problem(await refusing.ask(token, "POST", f"/{device}/token"), status)


async def test_a_registered_device_is_deleted_and_a_declared_one_is_not(world: DevicesWorld) -> None:
    made = await register(world)
    assert (await world.ask("manager", "DELETE", f"/{made['device_id']}")).status_code == 204
    await eventually(lambda: made["device_id"] not in world.service.devices())
    assert "manifest" in is_problem(await world.ask("manager", "DELETE", "/town-hall-1"), 409)


async def test_an_alarm_is_ended_once_and_the_journal_says_by_whom(world: DevicesWorld) -> None:
    telephones.raise_alarm(world.store, SITE, "town-hall-1", datetime.now(UTC))
    ends = await asyncio.gather(*[world.ask("commander", "POST", "/town-hall-1/alarm/end") for _ in range(3)])
    assert sorted(answer.status_code for answer in ends) == [200, 409, 409]
    ended = next(answer.json() for answer in ends if answer.status_code == 200)
    assert ended["alarm"]["state"] == "Ended"
    noted = journal.page(world.store, SITE, "town-hall-1", limit=10, types=["alarm"]).entries
    assert [each.data for each in noted] == [{"state": "Ended", "by": "commander"}]
    is_problem(await world.ask("reader", "POST", "/town-hall-1/alarm/end"), 403)


async def test_every_path_asks_for_a_token(refusing: DevicesWorld) -> None:
    for method, path in (("GET", "/api/v1/devices"), ("POST", "/api/v1/devices/register"), ("POST", "/api/send")):
        is_problem(await refusing.client.request(method, path, json={}), 401)
