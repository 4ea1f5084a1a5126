"""What system tests share.

The tests of calls differ in who calls whom: one Asterisk for all. The tests of the whole product have both front
doors, each in a worker of its own: what it starts is started once.
"""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from testbed.kube.server import ApiServer
from tests.system.calls import site
from tests.system.pbx import Pbx
from tests.system.world import World, start

DOORS = [pytest.param(kind, marks=pytest.mark.xdist_group(f"door-{kind}")) for kind in ("standalone", "kube")]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pbx]:
    async with Pbx(tmp_path_factory.mktemp("pbx")) as pbx:
        for name in ("alpha", "beta", "gamma"):
            await pbx.carrier(name)
        await pbx.apply(site(pbx))
        for carrier in pbx.carriers.values():
            await carrier.event("register", code=200)
        yield pbx


@pytest_asyncio.fixture(loop_scope="session")
async def pbx(world: Pbx) -> AsyncIterator[Pbx]:
    yield world
    for carrier in world.carriers.values():
        await carrier.ask("answer")
    await world.quiet()


@pytest.fixture(scope="module", params=DOORS)
def door_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def fresh(
    door_kind: str, tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[World]:
    """A running site for all tests of a module, without any manifest yet."""
    async with start(door_kind, tmp_path_factory.mktemp(door_kind), api_server) as running:
        yield running
