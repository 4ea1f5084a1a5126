"""How a test waits for what it expects: it looks until it is so, and says what was there instead."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")


async def eventually(
    look: Callable[[], Seen | Awaitable[Seen]],
    within: float = 20.0,
    *,
    holds: Callable[[Seen], object] = bool,
    why: Callable[[], object] = lambda: "",
) -> Seen:
    """Look until what is seen `holds`, by default is true, and return it; fail after `within` seconds.

    The failure says what was seen last, and `why()`.
    """
    end = time.monotonic() + within
    while True:
        found = look()
        seen: Seen = await found if inspect.isawaitable(found) else found
        if holds(seen):
            return seen
        assert time.monotonic() < end, f"not so within {within:g} s: {seen!r} {why()}"
        await asyncio.sleep(0.02)
