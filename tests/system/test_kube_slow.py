"""An API server that answers late, never, or with an error now and then: everything is said in the end, in few requests."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from itertools import cycle

import pytest
import pytest_asyncio

from testbed.kube.namespace import OPERATOR
from testbed.kube.server import ApiServer
from tests.kube.middleman import Middleman, delaying, willing
from tests.system.world import World, phones, start

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("kube")]

NUMBERS = [str(number) for number in range(201, 216)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def between(api_server: Callable[[], ApiServer]) -> AsyncIterator[Middleman]:
    async with Middleman(api_server()) as middleman:
        yield middleman


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer], between: Middleman
) -> AsyncIterator[World]:
    config = between.kubeconfig(api_server().kubeconfig(OPERATOR))
    async with start("kube", tmp_path_factory.mktemp("slow"), api_server, kubeconfig=config) as world:
        extensions, secrets = phones(NUMBERS)
        await world.door.apply([world.pbx(), *extensions], secrets)
        await world.door.wait_ready()
        yield world


@pytest.fixture
def mood(between: Middleman) -> AsyncIterator[Middleman]:
    between.requests.clear()
    yield between
    between.before = between.after = willing


class Spoilt:
    """Every third answer is an error, of this kind or that; watches are spared their answer's end."""

    def __init__(self) -> None:
        self._random = random.Random(7)  # noqa: S311 -- the same moods each time
        self._statuses = cycle((429, 500, 503, 504))

    async def __call__(self, method: str, path: str) -> int:  # noqa: ARG002
        return next(self._statuses) if self._random.random() < 1 / 3 else 0


@pytest.mark.parametrize(
    ("before", "after", "patches_each"),
    [
        pytest.param(delaying(1.5, method="PATCH", ending="/status"), willing, 3, id="1.5-s-before-it-is-taken"),
        pytest.param(willing, delaying(5, method="PATCH", ending="/status"), 3, id="taken-but-answered-after-5-s"),
        pytest.param(Spoilt(), willing, 8, id="refused-at-random"),
        pytest.param(willing, Spoilt(), 8, id="taken-and-called-an-error-at-random"),
    ],
)
async def test_every_status_is_true_in_the_end_and_the_requests_are_few(
    site: World, mood: Middleman, before: object, after: object, patches_each: int, request: pytest.FixtureRequest
) -> None:
    extensions, _ = phones(NUMBERS, displayName=request.node.callspec.id[:30])
    mood.before, mood.after = before, after
    started = time.monotonic()
    await site.door.apply(extensions)
    await site.door.wait_ready(limit_seconds=60)
    took = time.monotonic() - started
    mood.before = mood.after = willing
    patches = [path for method, path in mood.requests if method == "PATCH" and path.endswith("/status")]
    logging.getLogger(__name__).info("%.1f s, %d patches, %d requests", took, len(patches), len(mood.requests))
    assert len(patches) <= patches_each * len(NUMBERS)
    assert await site.endpoints() >= set(NUMBERS)


async def test_a_status_that_is_never_taken_is_asked_for_ever_more_rarely(site: World, mood: Middleman) -> None:
    mood.before = delaying(60, method="PATCH", ending="/status")
    await site.door.apply(phones(NUMBERS, displayName="never")[0])
    await asyncio.sleep(16)
    patches = [path for method, path in mood.requests if method == "PATCH" and path.endswith("/status")]
    resources = len(NUMBERS) + 1
    assert len(patches) <= 6 * resources  # a round takes 4 s, and there are 1, 2 and 4 s between them
    mood.before = willing
    await site.door.wait_ready(limit_seconds=40)
