"""From a request over HTTP to a device and back: the leader's half, a gateway and a WebSocket, all real."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from dialplane.services.contract import ReplicaContext, SocketOptions
from dialplane.services.elevator.api import commands
from dialplane.services.elevator.gateway.replica import ElevatorGateway
from dialplane.store import Store
from dialplane.store.hints import Hints, replica_channel
from tests.elevator.api.devices_site import GATEWAY, DevicesWorld, devices_site
from tests.elevator.gateways import closed, hear, say
from tests.eventually import eventually
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Building:
    """A site whose devices can connect."""

    world: DevicesWorld
    port: int

    async def connect(self, device: str, token: str) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}/ws?device_id={device}&token={token}"
        made = await connect(url, proxy=None, compression=None)
        await say(made, "hello", firmware="2.1", capabilities=["ack"])
        await self.until(f"/{device}", "capabilities", ["ack"])
        return made

    async def until(self, path: str, field: str, value: Any) -> dict[str, Any]:
        """What the API says, once a field has this value."""

        async def look() -> dict[str, Any]:
            answer = await self.world.ask("manager", "GET", path)
            found: dict[str, Any] = answer.json()
            return found

        return await eventually(look, holds=lambda found: found.get(field) == value)


@pytest_asyncio.fixture(loop_scope="module")
async def building(store: Store, tmp_path: Path) -> AsyncIterator[Building]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def announce(sock: socket) -> None:
        port.set_result(sock.getsockname()[1])

    hints = Hints(store, SITE)
    sockets = SocketOptions("127.0.0.1:0", announce=announce)
    orders = hints.subscribe(replica_channel(GATEWAY))
    gateway = ElevatorGateway(ReplicaContext(store, SITE, GATEWAY, lambda *_: None, hints, orders, sockets))
    tasks = [asyncio.create_task(gateway.run()), asyncio.create_task(hints.run())]
    try:
        async with devices_site(store, tmp_path, hints=hints, publish=gateway.observe) as world:
            yield Building(world, await asyncio.wait_for(port, 20))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)


async def made_token(building: Building, device: str) -> str:
    answer = await building.world.ask("manager", "POST", f"/{device}/token")
    token: str = answer.json()["token"]
    await eventually(lambda: building.world.service.devices()[device].token_digest)
    return token


async def test_a_command_reaches_its_device_and_the_answer_comes_back(
    building: Building, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SENT_WITHIN", 20.0)
    world = building.world
    token = await made_token(building, "town-hall-1")
    device = await building.connect("town-hall-1", token)
    asked = (await world.send(data={"delay": 5})).json()
    received = await hear(device)
    assert {name: received[name] for name in ("type", "id", "payload", "data")} == {
        "type": "command",
        "id": asked["id"],
        "payload": "REBOOT",
        "data": {"delay": 5},
    }
    await say(device, "command_ack", id=asked["id"])
    await say(device, "command_result", id=asked["id"], state="succeeded", result={"took": 3})
    ended = await building.until(f"/town-hall-1/commands/{asked['id']}", "state", "succeeded")
    assert (ended["result"], ended["sends"]) == ({"took": 3}, 1)
    bare = {"device_id": "town-hall-1", "type": "command", "payload": "SNAPSHOT", "data": None}
    sent = await world.ask("everything", "POST", "/api/send", json=bare)
    assert (sent.status_code, sent.json()["status"]) == (200, "sent")
    assert (await hear(device))["payload"] == "SNAPSHOT"
    await building.until("/town-hall-1", "online", True)
    await device.close()
    output = "".join(capfd.readouterr())
    assert "town-hall-1" in output
    assert token not in output


async def test_another_token_cuts_the_connection_with_the_old_one(building: Building) -> None:
    old = await made_token(building, "town-hall-1")
    device = await building.connect("town-hall-1", old)
    new = await made_token(building, "town-hall-1")
    assert await closed(device) == 4002
    await (await building.connect("town-hall-1", new)).close()


async def test_a_device_registers_connects_and_is_cut_off_when_it_is_deleted(building: Building) -> None:
    body = {"location": "上海中心01号", "profile": "town-hall-1"}
    made = (await building.world.ask("manager", "POST", "/register", json=body)).json()
    await eventually(lambda: made["device_id"] in building.world.service.devices())
    device = await building.connect(made["device_id"], made["token"])
    assert (await building.world.send(made["device_id"])).status_code == 202
    assert (await hear(device))["payload"] == "REBOOT"
    assert (await building.world.ask("manager", "DELETE", f"/{made['device_id']}")).status_code == 204
    assert await closed(device) == 4004
