"""What tests of the API share: the platform of calls, one for each module that asks for it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InfinityPeer]:
    folder = tmp_path_factory.mktemp("platform")
    async with await InfinityPeer.start(folder, Account(token="access-token", tenant="1")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def peer(started: InfinityPeer) -> InfinityPeer:
    """The platform, which has forgotten what was before."""
    await started.forget()
    await started.behave(talk_seconds=None)
    return started
