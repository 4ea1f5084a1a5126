"""A gateway of a test on a listener of its own, and devices that connect to it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import socket
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from dialplane.services.contract import ReplicaContext, Role, SocketOptions
from dialplane.services.elevator import SERVICE, desired
from dialplane.services.elevator.desired import DesiredDevices, Device, Profile
from dialplane.services.elevator.gateway.intake import PictureReceiver
from dialplane.services.elevator.gateway.replica import ElevatorGateway
from dialplane.services.elevator.tables import journal
from dialplane.services.elevator.tables.journal import EntryType
from dialplane.storage.options import StorageOptions
from dialplane.store import Store
from dialplane.store.hints import Channel, Hints, replica_channel
from tests.eventually import eventually

SITE = "office"
COMMANDS = {
    "REBOOT": desired.Command(physical=True),
    "OPEN": desired.Command(physical=True, allow_unacknowledged=True),
    "LIGHT": desired.Command(physical=False),
}
PROFILE = Profile(commands=COMMANDS)


def token(device: str) -> str:
    return f"token-of-{device}-0123456789"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def view(*devices: str, number: int = 1, profile: Profile = PROFILE, others: Mapping[str, str | None] = {}) -> Any:
    """The leader's view: devices with their usual tokens, and `others` with another one or none."""
    tokens: Mapping[str, str | None] = {**{name: token(name) for name in devices}, **others}
    found = {name: Device(digest(text) if text else None, profile) for name, text in tokens.items()}
    return desired.to_json(DesiredDevices(number, found))


@dataclass
class RunningGateway:
    """A replica that devices can connect to."""

    gateway: ElevatorGateway
    context: ReplicaContext
    hints: Hints
    news: asyncio.Event
    """Set by each hint to the leader."""
    port: "asyncio.Future[int]"
    reported: dict[str, Any] = field(default_factory=dict)

    @property
    def connected(self) -> set[str]:
        return set(self.gateway._connections.sessions)

    async def device(self, name: str, shown: str | None = None, *, more: str = "", **options: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{await self.port}/ws?device_id={name}&token={shown or token(name)}{more}"
        return await connect(url, proxy=None, compression=None, **options)

    async def journals(self, device: str, number: int, *types: EntryType) -> Sequence[tuple[str, Any]]:
        """The entries of a device's journal, once there are so many."""

        async def look() -> Sequence[tuple[str, Any]]:
            page = await self.context.store.call(journal.page, SITE, device, limit=500, after=0, types=types)
            return [(entry.type, entry.data) for entry in page.entries]

        return await eventually(look, holds=lambda found: len(found) >= number)


@asynccontextmanager
async def gateway(
    store: Store,
    desired_view: Any,
    *,
    replica: str = "gateway-aaaaaaaa",
    pictures: PictureReceiver | None = None,
    storage: StorageOptions | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> AsyncIterator[RunningGateway]:
    """A gateway; with a `storage` as the service makes it, which takes pictures."""
    loop = asyncio.get_running_loop()
    port: asyncio.Future[int] = loop.create_future()
    hints = Hints(store, SITE)
    orders, news = hints.subscribe(replica_channel(replica)), hints.subscribe(Channel.DEVICES)
    reported: dict[str, Any] = {}

    def announce(sock: socket) -> None:
        port.set_result(sock.getsockname()[1])

    sockets = SocketOptions("127.0.0.1:0", certificate, key, announce=announce)
    context = ReplicaContext(store, SITE, replica, reported.__setitem__, hints, orders, sockets)
    if storage is None:
        made = ElevatorGateway(context, pictures=pictures)
    else:
        whole = SERVICE.replicas[Role.GATEWAY](replace(context, storage=storage))
        assert isinstance(whole, ElevatorGateway)
        made = whole
    running = RunningGateway(made, context, hints, news, port, reported)
    running.gateway.observe(desired_view)
    tasks = [asyncio.create_task(running.gateway.run()), asyncio.create_task(hints.run())]
    try:
        yield running
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def say(device: ClientConnection, kind: str, **fields: Any) -> None:
    await device.send(json.dumps({"type": kind, **fields}))


async def hear(device: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(device.recv(), 20))


async def beat(device: ClientConnection) -> None:
    """A heartbeat, and its answer."""
    await say(device, "heartbeat")
    assert await hear(device) == {"type": "pong"}


async def closed(device: ClientConnection) -> int | None:
    """The close code with which the connection ends."""
    try:
        async with asyncio.timeout(20):
            while True:
                await device.recv()
    except ConnectionClosed:
        return device.close_code


async def ready(running: RunningGateway, *devices: str) -> None:
    """Wait until commands can be sent to devices."""
    await eventually(lambda: set(devices) <= set(running.gateway._connections.epochs))
