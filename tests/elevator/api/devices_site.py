"""A site with devices, as the API serves it: the real service on a real store, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from dialplane.api import server
from dialplane.api.application import application
from dialplane.api.dependencies import Api
from dialplane.api.tokens import Tokens
from dialplane.services.contract import Context, NoReplicas
from dialplane.services.elevator.leader.service import ElevatorService
from dialplane.services.elevator.tables import commands, sessions, snapshots
from dialplane.services.elevator.tables.commands import Change, Command
from dialplane.services.elevator.tables.sessions import Connect, Introduction
from dialplane.services.elevator.tables.snapshots import Snapshot
from dialplane.services.registry import mounts, scopes
from dialplane.storage.options import StorageOptions
from dialplane.store import Store
from dialplane.store.hints import Hints
from testbed.manifests import Manifest, manifest
from tests.api.infinity_site import PLAIN, word
from tests.eventually import eventually
from tests.infinity.site import SITE, view

DEVICES: Final = "/api/v1/devices"
GATEWAY: Final = "gateway-1"
SCOPES: Final = {
    "everything": "",
    "reader": "devices:read:town-hall-1",
    "commander": "devices:command:town-hall-1\ndevices:command:town-hall-2",
    "manager": "devices:manage:*",
    "janitor": "devices:manage:town-hall-1",
    "texts": "sms",
}
REBOOT: Final = {"name": "REBOOT", "kind": "physical"}
LIGHT: Final = {"name": "LIGHT", "kind": "physical", "allowUnacknowledged": True}
SNAPSHOT: Final = {"name": "SNAPSHOT", "kind": "safe"}


def device(name: str, location: str, **spec: Any) -> Manifest:
    """A device of a manifest."""
    return manifest("ElevatorDevice", name, location=location, **spec)


MANIFESTS: Final = (
    device("town-hall-1", "Town hall, lift 1", allowedCommands=[REBOOT, LIGHT, SNAPSHOT]),
    device("town-hall-2", "Town hall, lift 2", allowedCommands=[REBOOT, SNAPSHOT]),
    device("museum", "Museum", tokenSecretRef={"name": "museum", "key": "token"}),
)
SECRETS: Final = {"museum": {"token": "the-token-of-the-museum"}}


class OneGateway(NoReplicas):
    """One gateway lives, and reports nothing; what is published is given to `observe`."""

    def __init__(self, observe: Callable[[Any], None]) -> None:
        self._observe = observe

    def publish(self, desired: Any) -> None:
        self._observe(desired)

    def living(self) -> frozenset[str]:
        return frozenset({GATEWAY})


@dataclass
class DevicesWorld:
    """The site, and what tests do with it."""

    store: Store
    service: ElevatorService
    app: FastAPI
    client: httpx.AsyncClient
    epochs: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    async def ask(self, token: str, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {word(token)}", **request.pop("headers", {})}
        path = path if path.startswith("/api/") else f"{DEVICES}{path}"
        return await self.client.request(method, path, headers=headers, **request)

    async def send(self, device: str = "town-hall-1", token: str = "everything", **body: Any) -> httpx.Response:
        return await self.ask(token, "POST", f"/{device}/commands", json={"name": "REBOOT", **body})

    def connect(self, *names: str, capabilities: Iterable[str] = ("ack",)) -> None:
        """See `connected`."""
        self.epochs |= connected(self.store, *names, capabilities=capabilities)
        self.service.refresh()

    def forget(self) -> None:
        """As if nothing had ever been sent, and no device connected."""
        with self.store.write() as connection:
            connection.execute(sa.delete(commands.COMMANDS))
            connection.execute(sa.delete(sessions.SESSIONS))
        self.epochs.clear()

    def claim(self) -> list[Command]:
        """As a gateway does before it sends."""
        return commands.claim(self.store, SITE, GATEWAY, self.epochs, now=datetime.now(UTC))

    def pictures(self, device: str) -> tuple[Snapshot, ...]:
        """Those that are stored, the newest first."""
        return snapshots.page(self.store, SITE, device, limit=100).snapshots

    def change(self, command: Command, state: Any, **more: Any) -> None:
        """As a gateway does when the device says so."""
        assert command.epoch is not None
        changes = [Change(command.id, command.device, command.epoch, state, **more)]
        commands.change(self.store, SITE, changes, now=datetime.now(UTC))


def elevator_service(
    store: Store, folder: Path, hints: Hints | None = None, publish: Callable[[Any], None] = lambda _: None
) -> ElevatorService:
    """The service of the site, which is to be run; pictures are kept in `folder`."""
    context = Context(
        store, SITE, lambda *_: None, replicas=OneGateway(publish), hints=hints, storage=storage_in(folder)
    )
    service = ElevatorService(context)
    service.observe(view(MANIFESTS, secrets=SECRETS))
    return service


def connected(store: Store, *names: str, capabilities: Iterable[str] = ("ack",)) -> dict[str, int]:
    """Note connections of devices as a gateway does, and return their epochs."""
    now = datetime.now(UTC)
    opened = sessions.open_all(store, SITE, GATEWAY, [Connect(name, "192.0.2.10", now) for name in names], now=now)
    said = [Introduction(name, opened[name].epoch, "2.1", tuple(capabilities)) for name in names]
    sessions.introduce(store, SITE, said, now=now)
    return {name: each.epoch for name, each in opened.items()}


def storage_in(folder: Path) -> StorageOptions:
    """Objects and what waits to be stored, below a folder."""
    return StorageOptions((folder / "objects").as_uri(), folder / "spool")


@asynccontextmanager
async def devices_site(
    store: Store,
    folder: Path,
    *,
    hints: Hints | None = None,
    publish: Callable[[Any], None] = lambda _: None,
    **api: Any,
) -> AsyncIterator[DevicesWorld]:
    """A site that serves, whose gateway is what the test makes of it."""
    tokens = folder / "tokens"
    tokens.mkdir()
    for name, lines in SCOPES.items():
        (tokens / name).write_text(f"{word(name)}\n{lines}\n")
    service = elevator_service(store, folder, hints, publish)
    app = application(Api(store, SITE, Tokens(tokens, scopes()), mounts(), {"elevator": service}, **api))
    sock = server.listen("127.0.0.1:0")
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    tasks = [asyncio.create_task(service.run(lambda: None)), asyncio.create_task(server.serve(app, sock))]
    try:
        await eventually(lambda: len(service.devices()) == len(MANIFESTS))
        async with httpx.AsyncClient(base_url=url, timeout=30, verify=PLAIN) as client:
            yield DevicesWorld(store, service, app, client)
    finally:
        for task in reversed(tasks):
            task.cancel()
            await asyncio.wait([task], timeout=10)
