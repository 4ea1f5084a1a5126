"""A storm: many changes in a few seconds, as a renumbering or a bulk import makes them."""

import asyncio
import time

from bench import site
from bench.observer import Observer
from bench.results import Storm
from bench.world import World

SECONDS = 10.0
EDITS = 1_000
_FIRST_SERIAL = 1_000_000  # no text that an edit before wrote
_LIMIT_SECONDS = 120


async def measure(world: World, observer: Observer, *, edits: int, seconds: float) -> Storm:
    """Edit at an even pace, one phone after the other.

    Staleness is from the edit to Ready with it, or with a later edit of the same phone.
    """
    reloads = len(world.reloads)
    applied: list[tuple[tuple[str, int], float]] = []
    started = time.monotonic()

    async def change(serial: int) -> None:
        await asyncio.sleep(serial * seconds / edits)
        name = site.name(serial % world.size)
        before = time.monotonic()
        changed = await world.cluster.patch("Extension", name, {"spec": site.edit(_FIRST_SERIAL + serial)})
        applied.append(((name, changed["metadata"]["generation"]), before))

    async with asyncio.TaskGroup() as tasks:
        for serial in range(edits):
            tasks.create_task(change(serial))
    took = time.monotonic() - started
    last = dict(sorted(each for each, _ in applied))
    await observer.until(last, limit_seconds=_LIMIT_SECONDS, what="storm")
    await asyncio.sleep(1)  # a reload that was put off
    return Storm(
        n=world.size,
        edits=edits,
        seconds=took,
        staleness=[done - before for each, before in applied if (done := observer.at_least(*each)) is not None],
        reloads=world.reloads[reloads:],
        reload_floor=[],
    )
