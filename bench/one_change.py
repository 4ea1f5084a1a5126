"""One change at a time: from its PATCH to Ready with that generation, as our own watch sees it."""

import asyncio
import random
import time

from bench import site
from bench.observer import Observer
from bench.world import World

PAUSE_SECONDS = (0.02, 0.25)
"""Between Ready and the next change: no two meet the controller at the same point of whatever it still does."""
_LIMIT_SECONDS = 120


async def measure(world: World, observer: Observer, *, edits: int, limit_seconds: float) -> list[float]:
    """Seconds of each change; fewer than `edits` where they take longer than `limit_seconds` together."""
    chance = random.Random(world.size)  # noqa: S311 -- the same run every time
    end = time.monotonic() + limit_seconds
    taken = []
    for serial in range(edits):
        name = site.name(chance.randrange(world.size))
        before = time.monotonic()
        changed = await world.cluster.patch("Extension", name, {"spec": site.edit(serial)})
        generation = changed["metadata"]["generation"]
        at = await observer.until({name: generation}, limit_seconds=_LIMIT_SECONDS, what="one change")
        taken.append(at - before)
        if time.monotonic() > end:
            break
        await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
    return taken
