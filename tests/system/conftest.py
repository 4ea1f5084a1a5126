"""One Asterisk for all system tests of calls: they differ in who calls whom."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.system.calls import site
from tests.system.pbx import Pbx


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pbx]:
    async with Pbx(tmp_path_factory.mktemp("pbx")) as pbx:
        for name in ("alpha", "beta"):
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
