"""The soak of devices, short: a site of real processes, hundreds of devices, and what must never be."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from bench.device_books import Books
from bench.device_soak import Plan, SoakWorld
from testbed.device_site import device_site
from testbed.devices.peer import Devices
from testbed.postgres import Postgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAN = Plan(
    devices=300,
    commands=60,
    unread=30,
    noisy=10,
    frames=5_000,
    interval=1.0,
    timeout_seconds=6,
    deadline_seconds=8,
    answer_seconds=0.3,
    connect_seconds=2.0,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: TempPathFactory) -> AsyncIterator[SoakWorld]:
    """Two gateways beside a leader, and devices that are connected to them."""
    directory = tmp_path_factory.mktemp("fleet")
    heartbeat = {"intervalSeconds": 1, "timeoutSeconds": PLAN.timeout_seconds}
    count = PLAN.devices + PLAN.unread + PLAN.noisy
    async with (
        Postgres(directory / "postgres") as server,
        device_site(directory, await server.database(), count, gateways=2, heartbeat=heartbeat) as site,
        await Devices.start(directory, *site.addresses) as fleet,
    ):
        made = SoakWorld(PLAN, site, fleet, Books(site), print)
        await made.connect()
        yield made
        assert made.quiet() == []


async def test_every_command_ends_once_and_no_physical_one_arrives_twice_over_a_killed_gateway(
    world: SoakWorld,
) -> None:
    assert await world.killed() == []


async def test_nobody_hears_of_a_gateway_that_is_started_again(world: SoakWorld) -> None:
    assert await world.restarted() == []


async def test_devices_that_never_read_are_cut_off_and_hold_up_nobody(world: SoakWorld) -> None:
    assert await world.unread() == []


async def test_random_frames_bring_no_traceback_and_take_nobody_down(world: SoakWorld) -> None:
    assert await world.garbage() == []
    assert world.quiet() == []
