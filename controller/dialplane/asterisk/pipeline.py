"""Many questions to one Asterisk at a time: as many in flight as a connection allows, and no task for each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from dialplane.asterisk.ami import IN_FLIGHT

T = TypeVar("T")


async def each(ask: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Await `ask(item)` for every item, at most IN_FLIGHT at once; the first error ends all and is raised."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await ask(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
