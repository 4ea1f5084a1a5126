"""Cold start: the controller comes up on a site that is there already; how long until all of it is verified?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench import yardsticks
from bench.observer import Judge, Observer, first_generation, verified, watching
from bench.results import ColdStart
from bench.world import AUDIT_SECONDS, Process, World, difference
from testbed.kube.namespace import OPERATOR

_LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Started:
    """A controller that has verified the whole site and runs on, and what that took."""

    process: Process
    observer: Observer
    seconds: float
    cpu_seconds: float
    peak_rss: int
    requests: dict[str, int]
    reloads: list[str]


@asynccontextmanager
async def started(world: World, judge: Judge = verified) -> AsyncIterator[Started]:
    """Start the controller and wait until every Extension is Ready."""
    asked, reloads = world.requests(OPERATOR), len(world.reloads)
    async with watching(world.cluster, judge) as observer, world.operator() as process:
        last = await observer.until(first_generation(world.names), limit_seconds=_LIMIT_SECONDS, what="cold start")
        used = process.usage()
        await asyncio.sleep(AUDIT_SECONDS)
        yield Started(
            process,
            observer,
            seconds=last - process.started,
            cpu_seconds=used.cpu_seconds,
            peak_rss=used.peak_rss,
            requests=difference(world.requests(OPERATOR), asked),
            reloads=world.reloads[reloads:],
        )


async def compare(world: World, ours: Started, reload_floor: list[float]) -> ColdStart:
    """Hold it against the other yardsticks; the controller has ended meanwhile."""
    return ColdStart(
        n=world.size,
        seconds=ours.seconds,
        cpu_seconds=ours.cpu_seconds,
        peak_rss=ours.peak_rss,
        requests=ours.requests,
        reloads=ours.reloads,
        reload_floor=reload_floor,
        patch_floor=await yardsticks.patch_statuses(world),
        naive=await yardsticks.naive(world),
    )
