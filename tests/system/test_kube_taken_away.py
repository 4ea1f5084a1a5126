"""The CRDs, the namespace or a right are taken away from a site that runs: Asterisk keeps what it has."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.kube.namespace import GROUP, crds_gone, install_crds
from testbed.kube.server import ApiServer
from tests.system.doors import Kube
from tests.system.world import World, phones, start

pytestmark = pytest.mark.xdist_group("kube")

NUMBERS = ("101", "102", "103")
DELETED = ("extensions", "asterisks")
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def crds_go(door: Kube) -> None:
    for plural in DELETED:
        assert door.namespace.server.request("DELETE", f"{CRDS}/{plural}.{GROUP}").ok


def namespace_goes(door: Kube) -> None:
    """As the namespace controller does it, which does not run here: all objects of one kind, and the next."""
    server, name = door.namespace.server, door.namespace.name
    assert server.request("DELETE", f"/api/v1/namespaces/{name}").ok
    for path in (
        f"/api/v1/namespaces/{name}/secrets",
        door.namespace.path("Extension"),
        door.namespace.path("Asterisk"),
    ):
        assert server.request("DELETE", path).ok


def rights_go(door: Kube) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{door.namespace.name}/rolebindings/dialplane"
    assert door.namespace.server.request("DELETE", path).ok


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        pytest.param(rights_go, "missing rights in namespace", id="rights"),
        pytest.param(namespace_goes, "is being deleted, and everything in it", id="namespace"),
        pytest.param(crds_go, "install the CRDs", id="crds"),
    ],
)
async def test_the_operator_ends_with_a_clear_word_and_asterisk_goes_on(
    taken: Callable[[Kube], None], said: str, api_server: Callable[[], ApiServer], tmp_path: Path
) -> None:
    async with start("kube", tmp_path, api_server) as world:
        door = world.door
        assert isinstance(door, Kube)
        extensions, secrets = phones(NUMBERS)
        await door.apply([world.pbx(), *extensions], secrets)
        await door.wait_ready()
        reloads, before = len(world.reloads), await world.endpoints()
        try:
            await asyncio.to_thread(taken, door)
            await ended_with(said, door)
            if taken is crds_go:
                await door.start()
                await ended_with("install the CRDs", door)
        finally:
            if taken is crds_go:
                await asyncio.to_thread(served_again, door.namespace.server)
        await unharmed(world, before, reloads)


async def ended_with(said: str, door: Kube) -> None:
    assert await door.child.wait(40) == 1
    last = door.log.strip().splitlines()[-1]
    assert "level=error" in last
    assert said in last
    assert "Traceback" not in door.log


async def unharmed(world: World, endpoints: set[str], reloads: int) -> None:
    assert await world.endpoints() == endpoints
    assert len(world.reloads) == reloads
    caller = await world.registered("101")
    await world.registered("102")
    assert (await caller.ask("call", number="102"))["code"] == 200
    await caller.ask("hangup")


def served_again(server: ApiServer) -> None:
    crds_gone(server, *DELETED)
    install_crds(server)
