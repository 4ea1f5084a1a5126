"""The desk: everybody gets an extension in turn, and nobody keeps one who is gone, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from dialplane.infinity.lease import LeaseDesk
from dialplane.store import Store, pools
from dialplane.store.calls import Call
from dialplane.store.leases import Change
from dialplane.store.pools import PoolWanted
from tests.store.test_leases import asked

SITE = "office"


def pool(store: Store, *numbers: str, **other: Any) -> None:
    fields = {"tenant": "acme", "strategy": "LeastRecentlyUsed", "max_calls": 50, "enabled": True}
    pools.sync(store, SITE, [PoolWanted(**fields | other, numbers=numbers)])


@asynccontextmanager
async def serving(store: Store, **other: Any) -> AsyncIterator[LeaseDesk]:
    desk = LeaseDesk(store, SITE, **{"now": lambda: datetime.now(UTC)} | other)
    running = asyncio.create_task(desk.run())
    try:
        async with asyncio.timeout(60):
            yield desk
    finally:
        running.cancel()
        await asyncio.wait({running})


def over(call: Call) -> Change:
    return Change(call.id, "released", outcome="Released")


async def test_callers_at_once_get_an_extension_each(store: Store) -> None:
    pool(store, *(f"80{n:02}" for n in range(20)))
    told: list[Call] = []
    async with serving(store, told=told.append) as desk:
        found = await asyncio.gather(*(desk.lease(asked(str(n))) for n in range(30)))
    calls = [each.call for each in found if each.call]
    assert len({call.number for call in calls}) == len(calls) == 20
    assert [each.denied.reason for each in found if each.denied] == ["Exhausted"] * 10
    assert {call.id for call in told} == {call.id for call in calls}


async def test_who_waits_gets_what_another_gives_back(store: Store) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        first = (await desk.lease(asked("a"))).call
        assert first is not None
        waiting = asyncio.create_task(desk.lease(asked("b"), wait_seconds=30))
        await asyncio.sleep(0)
        await desk.change(over(first))
        second = (await waiting).call
        assert second is not None
        assert second.number == "8001"
