"""Whatever becomes of the processes that lead, nobody is called more often than there are attempts: the platform counts."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.tables import destinations
from dialplane.services.infinity.tables.destinations import Counts
from dialplane.store import Store
from testbed import fork
from testbed.infinity.peer import InfinityPeer
from testbed.process import Child
from tests.infinity.campaign_process import CAMPAIGN, PEOPLE
from tests.infinity.campaign_site import SITE, Callbacks, called, ended, number, platform

pytestmark = pytest.mark.databases

ROOT = Path(__file__).parents[2]
KILLS = 4
ATTEMPTS = 2


@asynccontextmanager
async def process(directory: Path, name: str, store_url: str, url: str) -> AsyncIterator[Child]:
    output = directory / f"{name}.log"
    output.write_text("")
    env = {"STORE": store_url, "PLATFORM": url}
    child = await fork.program(name, "tests.infinity.campaign_process", output=output, env=env, cwd=ROOT)
    try:
        async with asyncio.timeout(60):
            while "ready" not in output.read_text():
                child.check()
                await asyncio.sleep(0.05)
        yield child
    finally:
        await child.stop(limit_seconds=0)


@asynccontextmanager
async def world(store: Store, directory: Path) -> AsyncIterator[InfinityPeer]:
    """A platform, and a replica that takes its callbacks and lives on."""
    desk = LeaseDesk(store, SITE)
    async with AsyncExitStack() as stack:
        running = asyncio.create_task(desk.run())
        stack.push_async_callback(ended, running)
        callbacks = await stack.enter_async_context(Callbacks(desk.change).listening())
        peer = await stack.enter_async_context(platform(directory, callbacks.url))
        await peer.behave(outcome="no_answer", after=0.05)
        for digit in "147":  # so many are reached at once
            await peer.behave(destination=digit, after=0.05)
        yield peer


def counts(store: Store) -> Counts:
    return destinations.counts(store, SITE, [CAMPAIGN.uid]).get(CAMPAIGN.uid, Counts())


async def is_over(store: Store, *children: Child) -> None:
    async with asyncio.timeout(120):
        while not counts(store).total or counts(store).remaining:
            for child in children:
                child.check()
            await asyncio.sleep(0.1)


async def at_most_their_attempts(peer: InfinityPeer) -> None:
    found = await called(peer)
    assert max(found.values()) <= ATTEMPTS, found
    reached = {number(index) for index in range(PEOPLE) if number(index)[-1] in "147"}
    assert {each for each in reached if found[each] > 1} == set()
    assert (await peer.counts())["collisions"] == 0


async def test_nobody_is_called_more_often_over_a_leader_that_is_killed_again_and_again(
    store_url: str, store: Store, tmp_path: Path
) -> None:
    chance = random.Random(7)  # noqa: S311 -- chooses when, guards nothing
    async with world(store, tmp_path) as peer:
        for kill in range(KILLS):
            async with process(tmp_path, f"leader-{kill}", store_url, peer.url) as child:
                enough = (await peer.counts())["requests"] + chance.randint(1, 6)
                async with asyncio.timeout(60):
                    while (await peer.counts())["requests"] < enough and counts(store).remaining:
                        await asyncio.sleep(0.005)
                await child.stop(limit_seconds=0)
        async with process(tmp_path, "leader", store_url, peer.url) as child:
            await is_over(store, child)
        await at_most_their_attempts(peer)
        found = counts(store)
    assert (found.total, found.answered + found.failed) == (PEOPLE, PEOPLE)


async def test_nobody_is_called_more_often_where_two_processes_think_that_they_lead(
    store_url: str, store: Store, tmp_path: Path
) -> None:
    async with (
        world(store, tmp_path) as peer,
        process(tmp_path, "one", store_url, peer.url) as one,
        process(tmp_path, "two", store_url, peer.url) as two,
    ):
        await is_over(store, one, two)
        await at_most_their_attempts(peer)
    assert counts(store).answered + counts(store).failed == PEOPLE
