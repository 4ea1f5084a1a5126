"""One real Asterisk for the tests of each file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk.ami import Ami
from testbed.asterisk import AsteriskInstance
from tests.asterisk.real_asterisk import Pbx, address


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    directory: Path = tmp_path_factory.mktemp("asterisk")
    async with AsteriskInstance(directory) as instance:
        yield instance


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pbx(asterisk: AsteriskInstance) -> AsyncIterator[Pbx]:
    async with Ami.connect(address(asterisk)) as ami:
        yield Pbx(asterisk, ami)
