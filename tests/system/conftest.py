"""Both front doors, each in a worker of its own: what they start is started once."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from testbed.kube.server import ApiServer
from tests.system.doors import OPERATOR, install_crds
from tests.system.world import World
from tests.system.world import world as start_world

DOORS = [pytest.param(kind, marks=pytest.mark.xdist_group(f"door-{kind}")) for kind in ("standalone", "kube")]


@pytest.fixture(scope="session")
def api_server() -> Iterator[Callable[[], ApiServer]]:
    """The API server with our kinds, started when first asked for: one door works without."""
    running: list[ApiServer] = []

    def get() -> ApiServer:
        if not running:
            running.append(ApiServer([OPERATOR]))
            running[0].start()
            install_crds(running[0])
        return running[0]

    yield get
    for server in running:
        server.close()


@pytest.fixture(scope="module", params=DOORS)
def door_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(
    door_kind: str, tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[World]:
    """A running site for all tests of a module, without any manifest yet."""
    async with start_world(door_kind, tmp_path_factory.mktemp(door_kind), api_server) as running:
        yield running
