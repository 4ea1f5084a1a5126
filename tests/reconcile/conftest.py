"""What the tests of the site loop share: one event loop and one Asterisk for each worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from tests.reconcile import site_rig
from tests.reconcile.shared_asterisk import SharedAsterisk

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run them in one event loop, to which the processes of the shared Asterisk belong."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def shared_asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[SharedAsterisk]:
    async with SharedAsterisk(tmp_path_factory.mktemp("shared")) as shared:
        site_rig.SHARED.append(shared)
        yield shared
        site_rig.SHARED.clear()
