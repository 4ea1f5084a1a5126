"""Steady state: nobody changes anything, phones register every minute. What does the controller take?

Beside it, at the same time, the naive operator keeps as many objects, with no phones to care for.
"""

import asyncio

from bench.cold_start import Started
from bench.observer import first_generation, touched, watching
from bench.phones import plugged_in
from bench.results import SteadyState
from bench.world import NAIVE, World, difference
from testbed.kube.namespace import OPERATOR
from testbed.manifests import condition
from testbed.ports import LOOPBACK

PHONES = 200
EVERY_SECONDS = 60.0
_LIMIT_SECONDS = 120
_SETTLE_SECONDS = 5.0


async def measure(world: World, ours: Started, *, phones: int, every_seconds: float, seconds: float) -> SteadyState:
    """Let all phones register, wait for quiet, and look at both processes for that long."""
    naive_cluster = await world.naive_site()
    async with (
        plugged_in(phones, (LOOPBACK, world.asterisk.sip_port)) as desk,
        watching(naive_cluster, touched) as naive_observer,
        world.naive_operator(naive_cluster) as naive,
    ):
        await naive_observer.until(first_generation(world.names), limit_seconds=_LIMIT_SECONDS, what="naive")
        await desk.register_all()
        await _until_registered(world, phones)
        await asyncio.sleep(_SETTLE_SECONDS)
        reloads, registered = len(world.reloads), desk.registered
        asked, naive_asked = world.requests(OPERATOR), world.requests(NAIVE)
        used, naive_used = ours.process.usage(), naive.usage()
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(seconds):
                await desk.keep_registered(every_seconds)
        except TimeoutError:
            pass
        took = loop.time() - start
        return SteadyState(
            n=world.size,
            phones=phones,
            seconds=took,
            registers=desk.registered - registered,
            cpu_seconds=ours.process.usage().cpu_seconds - used.cpu_seconds,
            requests=difference(world.requests(OPERATOR), asked),
            reloads=world.reloads[reloads:],
            naive_cpu_seconds=naive.usage().cpu_seconds - naive_used.cpu_seconds,
            naive_requests=world.requests(NAIVE).total() - naive_asked.total(),
        )


async def _until_registered(world: World, phones: int) -> None:
    """Wait until the statuses say that so many phones are registered."""
    async with asyncio.timeout(_LIMIT_SECONDS):
        while True:
            seen = await world.cluster.items("Extension")
            if sum(condition(obj, "Registered").get("status") == "True" for obj in seen) >= phones:
                return
            await asyncio.sleep(1)
