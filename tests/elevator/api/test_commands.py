"""Commands over HTTP: who may send which, once; in bulk; and by the path of an older gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialplane.services.elevator.api import commands as paths
from dialplane.services.elevator.tables import commands
from dialplane.store import Store
from tests.api.test_api import is_problem
from tests.elevator.api.devices_site import DEVICES, DevicesWorld, devices_site
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevicesWorld]:
    folder = tmp_path_factory.mktemp("commands")
    with closing(Store.open(f"sqlite:///{folder}/store.db")) as store:
        async with devices_site(store, folder) as made:
            yield made


@pytest_asyncio.fixture(loop_scope="module")
async def world(served: DevicesWorld) -> DevicesWorld:
    served.forget()
    return served


async def test_a_command_is_queued_and_its_life_can_be_seen(world: DevicesWorld) -> None:
    world.connect("town-hall-1")
    answer = await world.send(token="commander", data={"delay": 5, "text": "grüße"})
    assert answer.status_code == 202, answer.text
    queued = answer.json()
    assert (queued["state"], queued["kind"], queued["asked_by"]) == ("queued", "physical", "commander")
    until = datetime.fromisoformat(queued["deadline"]) - datetime.fromisoformat(queued["queued_at"])
    assert 29 < until.total_seconds() <= 30
    (claimed,) = world.claim()
    assert (claimed.id, claimed.data) == (queued["id"], {"delay": 5, "text": "grüße"})
    world.change(claimed, "succeeded", result={"took": "half \ud800 a character"})
    ended = (await world.ask("reader", "GET", answer.headers["location"])).json()
    assert (ended["state"], ended["sends"], ended["result"]) == ("succeeded", 1, {"took": "half \ufffd a character"})
    listed = (await world.ask("reader", "GET", "/town-hall-1/commands")).json()
    assert (listed["items"], listed["next"]) == ([ended], None)
    assert (await world.ask("reader", "GET", "/town-hall-1/commands", params={"state": "queued"})).json()["items"] == []


@pytest.mark.parametrize(
    ("capabilities", "token", "device", "body", "status", "words"),
    [
        (("ack",), "everything", "town-hall-1", {}, 202, ""),
        (("ack",), "reader", "town-hall-1", {}, 403, "may not command"),
        (("ack",), "commander", "museum", {}, 403, "may not command"),
        (("ack",), "everything", "museum", {}, 403, "not among the allowedCommands of museum, which are: none"),
        (("ack",), "everything", "town-hall-1", {"name": "OPEN"}, 403, "are: REBOOT, LIGHT, SNAPSHOT"),
        (("ack",), "everything", "nowhere", {}, 404, "no device nowhere"),
        (("ack",), "everything", "town-hall-1", {"deadline_seconds": 31}, 422, "within 30 s or not at all"),
        (("ack",), "everything", "town-hall-1", {"deadline_seconds": 0}, 422, "must be from 1 to 604800, not 0"),
        (("ack",), "everything", "town-hall-1", {"data": "x" * 4097}, 422, "4,096 bytes"),
        (("ack",), "everything", "town-hall-1", {"unknown": 1}, 422, "unknown"),
        ((), "everything", "town-hall-1", {}, 409, "allowUnacknowledged"),
        ((), "everything", "town-hall-1", {"name": "LIGHT"}, 202, ""),
        ((), "everything", "town-hall-1", {"name": "SNAPSHOT"}, 202, ""),
        (None, "everything", "town-hall-1", {}, 404, "offline"),
        (None, "everything", "town-hall-1", {"name": "LIGHT"}, 404, "offline"),
        (None, "everything", "town-hall-1", {"name": "SNAPSHOT", "deadline_seconds": 86_400}, 202, ""),
    ],
)
async def test_a_command_goes_only_where_it_may(
    world: DevicesWorld,
    capabilities: tuple[str, ...] | None,
    token: str,
    device: str,
    body: dict[str, Any],
    status: int,
    words: str,
) -> None:
    if capabilities is not None:
        world.connect("town-hall-1", "museum", capabilities=capabilities)
    answer = await world.send(device, token, **body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert len(commands.page(world.store, SITE, device, limit=9).commands) == (status == 202)


@pytest.mark.parametrize("data", ['{"data": NaN}', '{"data": "\\ud800"}', '{"data": ' + "[" * 17 + "]" * 17 + "}"])
async def test_data_that_no_device_could_read_is_refused(world: DevicesWorld, data: str) -> None:
    world.connect("town-hall-1")
    body = '{"name": "REBOOT", ' + data[1:]
    headers = {"Content-Type": "application/json"}
    is_problem(await world.ask("everything", "POST", "/town-hall-1/commands", content=body, headers=headers), 422)


@pytest.mark.parametrize("as_header", [True, False], ids=["header", "body"])
async def test_a_request_key_sends_once(world: DevicesWorld, as_header: bool) -> None:
    world.connect("town-hall-1")

    async def once(**body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": "4711"} if as_header else {}
        key = {} if as_header else {"request_key": "4711"}
        wanted = {"name": "REBOOT", **key, **body}
        return await world.ask("everything", "POST", "/town-hall-1/commands", json=wanted, headers=headers)

    answers = await asyncio.gather(*[once() for _ in range(5)])
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    for other in ({"name": "LIGHT"}, {"data": 1}):
        assert "used for another command" in is_problem(await once(**other), 409)
    (claimed,) = world.claim()
    world.change(claimed, "succeeded")
    assert (await once()).json()["state"] == "succeeded"
    assert world.claim() == []


async def test_a_command_for_many_devices_answers_for_each(world: DevicesWorld) -> None:
    world.connect("town-hall-1")
    asked = ["town-hall-2", "nowhere", "town-hall-1", "museum", "town-hall-1"]
    answer = await world.ask("everything", "POST", "/commands", json={"device_ids": asked, "name": "REBOOT"})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [(each["device_id"], each["status"]) for each in items] == [
        ("town-hall-2", 404),
        ("nowhere", 404),
        ("town-hall-1", 202),
        ("museum", 403),
    ]
    assert answer.json()["queued"] == 1
    assert [each.id for each in world.claim()] == [each["id"] for each in items if each["id"]]
    denied = await world.ask("reader", "POST", "/commands", json={"device_ids": ["town-hall-1"], "name": "REBOOT"})
    assert [each["status"] for each in denied.json()["items"]] == [403]
    too_late = {"device_ids": ["town-hall-1"], "name": "REBOOT", "deadline_seconds": 60}
    is_problem(await world.ask("everything", "POST", "/commands", json=too_late), 422)
    too_many = {"device_ids": [f"lift-{number}" for number in range(1001)], "name": "REBOOT"}
    is_problem(await world.ask("everything", "POST", "/commands", json=too_many), 422)


BARE = {"device_id": "town-hall-1", "type": "command", "payload": "REBOOT", "data": {"delay": 5}}
NESTED = {"device_id": "town-hall-1", "command": {"type": "command", "payload": "REBOOT", "data": {"delay": 5}}}


@pytest.mark.parametrize("body", [BARE, NESTED], ids=["bare", "nested"])
async def test_the_path_of_an_older_gateway_sends_at_once(
    world: DevicesWorld, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SENT_WITHIN", 20.0)
    world.connect("town-hall-1")
    sending = asyncio.create_task(world.ask("commander", "POST", "/api/send", json=body))
    async with asyncio.timeout(20):
        while not (claimed := world.claim()):
            await asyncio.sleep(0.01)
    answer = await sending
    assert (answer.status_code, answer.json()) == (200, {"status": "sent", "id": claimed[0].id})
    assert (claimed[0].name, claimed[0].data, claimed[0].token) == ("REBOOT", {"delay": 5}, "commander")


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        ("everything", BARE, 404),
        ("everything", NESTED, 404),
        ("everything", {**BARE, "payload": "SNAPSHOT"}, 404),
        ("everything", {**BARE, "device_id": "nowhere"}, 404),
        ("everything", {**BARE, "payload": "OPEN"}, 403),
        ("reader", BARE, 403),
        ("texts", NESTED, 403),
        ("everything", {**BARE, "type": "other"}, 422),
        ("everything", {"device_id": "town-hall-1"}, 422),
    ],
)
async def test_what_the_older_path_cannot_send_is_refused_and_kept_nowhere(
    world: DevicesWorld, token: str, body: dict[str, Any], status: int
) -> None:
    is_problem(await world.ask(token, "POST", "/api/send", json=body), status)
    assert commands.page(world.store, SITE, "town-hall-1", limit=9).commands == ()


async def test_what_no_gateway_sends_in_time_is_not_called_sent(
    world: DevicesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SENT_WITHIN", 0.1)
    world.connect("town-hall-1")
    assert (await world.ask("commander", "POST", "/api/send", json=BARE)).json()["status"] == "queued"


async def test_a_command_is_shown_only_as_its_own_device_s(world: DevicesWorld) -> None:
    world.connect("town-hall-1")
    made = (await world.send()).json()["id"]
    assert (await world.ask("everything", "GET", f"/town-hall-1/commands/{made}")).status_code == 200
    is_problem(await world.ask("everything", "GET", f"/town-hall-2/commands/{made}"), 404)
    is_problem(await world.ask("everything", "GET", f"/town-hall-1/commands/cmd-{'0' * 24}"), 404)
    is_problem(await world.ask("texts", "GET", f"/town-hall-1/commands/{made}"), 403)


async def test_commands_come_in_pages(world: DevicesWorld) -> None:
    made = [(await world.send(name="SNAPSHOT")).json()["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await world.ask("reader", "GET", f"{DEVICES}/town-hall-1/commands", params=params)).json()
        seen += [each["id"] for each in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == made[::-1]
