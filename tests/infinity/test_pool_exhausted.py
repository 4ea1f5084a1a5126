"""Calls that got no extension are told of at once, and then at most once a minute."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dialplane.services.infinity import pool_exhausted
from dialplane.services.infinity.pool_exhausted import PoolExhausted
from dialplane.services.infinity.tables.leases import Denied

NONE_FREE = Denied("Exhausted", in_use=2, maximum=50, total=2, available=0)
AT_MOST = Denied("AtMaximum", in_use=5, maximum=5, total=8, available=3)


@contextmanager
def folding(seconds: float) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_exhausted, "FOLD_SECONDS", seconds)
        yield


async def test_the_first_is_told_at_once_and_those_after_it_together() -> None:
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    short = PoolExhausted(lambda tenant, message: told.put_nowait((tenant, message)))
    with folding(0.2):
        running = asyncio.create_task(short.run())
        async with asyncio.timeout(20):
            short.denied("acme", NONE_FREE)
            assert await told.get() == ("acme", "a call refused: none of 2 extensions is free, 2 are in calls")
            for _ in range(3):
                short.denied("acme", AT_MOST)
            short.denied("globex", NONE_FREE)
            assert (await told.get())[0] == "globex"
            message = "3 calls refused: 5 are going on, and maxConcurrentCalls is 5"
            assert await told.get() == ("acme", message)
            assert told.empty()
        running.cancel()
