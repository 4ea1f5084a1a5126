"""A restart on request through both doors: who keeps Asterisk running is played here, Asterisk and its calls are real."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from testbed.kube.namespace import Namespace
from testbed.kube.server import ApiServer
from tests.system.doors import Kube, Seen, condition, is_true
from tests.system.world import World, phones, start

pytestmark = pytest.mark.asyncio(loop_scope="module")

POD = "site-asterisk-0"
RULE = {"apiGroups": [""], "resources": ["pods"], "resourceNames": [POD], "verbs": ["get", "delete"]}
PBX = ("Asterisk", "pbx")


@dataclass
class Site:
    """A running site, and whoever keeps its Asterisk running; `restarts` counts what that one did."""

    world: World
    restarts: int = 0
    ordered: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, the one who keeps Asterisk running is slow."""

    async def restart(self) -> None:
        self.ordered.set()
        await self.go.wait()
        self.restarts += 1
        await self.world.asterisk.restart()
        await self.world.listen()

    async def ask(self, value: str) -> None:
        pbx = self.world.pbx(emergency={"numbers": ["112"], "trunks": ["carrier"]}, timeZone="Europe/Berlin")
        if value:
            pbx["metadata"]["annotations"] = {"dialplane.io/restartedAt": value}
        await self.world.door.apply([pbx])

    async def until(self, value: str, phase: str, limit_seconds: float = 60) -> dict[str, Any]:
        def there(seen: Seen) -> bool:
            told = seen.get("status", {}).get("restart", {})
            return (told.get("value"), told.get("phase")) == (value, phase)

        return await self.world.door.until(*PBX, there, limit_seconds=limit_seconds)


async def obey_the_command(site: Site, folder: Path) -> None:
    """The other end of the restart command."""
    while True:
        if (folder / "asked").exists():
            (folder / "asked").unlink()
            await site.restart()
            (folder / "done").touch()
        await asyncio.sleep(0.05)


def pod(namespace: Namespace) -> str:
    return f"/api/v1/namespaces/{namespace.name}/pods"


def make_pod(namespace: Namespace) -> None:
    spec = {"containers": [{"name": "asterisk", "image": "asterisk"}]}
    namespace.create(pod(namespace), {"metadata": {"name": POD}, "spec": spec})


async def be_the_cluster(site: Site, namespace: Namespace) -> None:
    """The StatefulSet's controller and the kubelet: a pod that is gone is stopped, made anew and started."""
    while True:
        if not (await asyncio.to_thread(namespace.server.request, "GET", f"{pod(namespace)}/{POD}")).ok:
            await site.restart()
            await asyncio.to_thread(make_pod, namespace)
        await asyncio.sleep(0.05)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    door_kind: str, tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp(f"restart-{door_kind}")
    script = folder / "restart.sh"
    script.write_text(f"cd {folder}; touch asked; while [ ! -e done ]; do sleep 0.1; done; rm done\n")
    kept_by = ("--asterisk-pod", POD) if door_kind == "kube" else ("--restart-command", f"/bin/sh {script}")
    async with start(door_kind, folder, api_server, options=kept_by) as world:
        made = Site(world)
        made.go.set()
        if isinstance(world.door, Kube):
            make_pod(world.door.namespace)
            world.door.namespace.grant("restart", [RULE])
            keeper = asyncio.create_task(be_the_cluster(made, world.door.namespace))
        else:
            keeper = asyncio.create_task(obey_the_command(made, folder))
        try:
            await world.carrier()
            extensions, secrets = phones(("101", "102", "103"))
            secrets["carrier"] = {"username": "carrier", "password": "secret-of-carrier"}
            await world.door.apply([world.trunk(), *extensions], secrets)
            await made.ask("")
            await world.door.wait_ready()
            yield made
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper


async def test_it_waits_for_calls_restarts_and_verifies(site: Site) -> None:
    world = site.world
    caller, callee, witness = [await world.registered(number) for number in ("101", "102", "103")]
    assert (await caller.ask("call", number="102"))["code"] == 200
    await site.ask("first")
    status = await site.until("first", "Draining")
    assert status["state"] == "Normal"
    assert (await witness.ask("call", number="112"))["code"] == 200
    assert (await caller.ask("hangup"))["bye"] == 200
    await asyncio.sleep(2)
    assert site.restarts == 0
    assert (await witness.ask("hangup"))["bye"] == 200
    status = await site.until("first", "Restarted")
    assert site.restarts == 1
    assert condition({"status": status}, "Restarted")["status"] == "True"
    await world.door.wait_ready()
    await world.door.until(*PBX, lambda seen: seen["status"]["state"] == "Normal")
    for each in (caller, callee):
        assert (await each.ask("register"))["code"] == 200
    assert (await caller.ask("call", number="102"))["code"] == 200
    assert (await caller.ask("hangup"))["bye"] == 200
    await world.quiet()


async def test_a_controller_that_is_killed_in_the_middle_restarts_once(site: Site) -> None:
    world = site.world
    site.go.clear()
    site.ordered.clear()
    before = site.restarts
    await site.ask("second")
    await asyncio.wait_for(site.ordered.wait(), 30)
    await world.door.kill()
    site.go.set()
    async with asyncio.timeout(60):
        while site.restarts == before:
            await asyncio.sleep(0.1)
    await world.door.start()
    await site.until("second", "Restarted")
    await world.door.wait_ready()
    assert is_true("Ready")((await world.door.seen())[PBX])
    await asyncio.sleep(2)
    assert site.restarts == before + 1
