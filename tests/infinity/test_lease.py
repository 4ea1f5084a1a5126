"""The desk: everybody gets an extension in turn, and nobody keeps one who is gone, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from dialplane.services.infinity import lease
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.tables import leases, pools
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import Change, Leased
from dialplane.services.infinity.tables.pools import PoolWanted
from dialplane.store import Store, StoreError, StoreUnavailable
from tests.store.test_leases import asked

pytestmark = pytest.mark.databases

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


async def test_who_waits_is_served_in_order_and_nobody_comes_first(store: Store) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        call = (await desk.lease(asked("first"))).call
        order: list[str] = []

        async def wait(name: str) -> Call:
            found = (await desk.lease(asked(name), wait_seconds=50)).call
            assert found is not None
            order.append(name)
            return found

        waiting = []
        for name in ("a", "b", "c", "d"):
            waiting.append(asyncio.create_task(wait(name)))
            await until_asked(desk, len(waiting))
        hasty = asyncio.create_task(desk.lease(asked("hasty")))
        for each in waiting:
            assert call is not None
            await desk.change(over(call))
            call = await each
        assert (await hasty).denied is not None
    assert order == ["a", "b", "c", "d"]


async def test_who_waits_in_vain_is_told_why(store: Store) -> None:
    pool(store, "8001", max_calls=1)
    turned_away: list[tuple[str, str]] = []
    async with serving(store, denied=lambda tenant, denied: turned_away.append((tenant, denied.reason))) as desk:
        await desk.lease(asked("a"))
        found = await desk.lease(asked("b"), wait_seconds=0.05)
    assert found.denied is not None
    assert (found.denied.reason, found.denied.in_use, found.denied.maximum) == ("AtMaximum", 1, 1)
    assert turned_away == [("acme", "AtMaximum")]


async def test_one_tenant_that_is_exhausted_keeps_no_other_waiting(store: Store) -> None:
    pools.sync(
        store,
        SITE,
        [PoolWanted(tenant, "RoundRobin", 9, True, (f"{n}001",)) for n, tenant in ((8, "acme"), (9, "bolt"))],
    )
    async with serving(store) as desk:
        await desk.lease(asked("a"))
        waiting = asyncio.create_task(desk.lease(asked("b"), wait_seconds=50))
        await until_asked(desk, 1)
        assert (await desk.lease(asked("c", tenant="bolt"))).call is not None
        waiting.cancel()


async def test_a_caller_who_is_gone_gives_back_what_it_got(store: Store) -> None:
    pool(store, "8001")
    told: list[Call] = []
    async with serving(store, told=told.append) as desk:
        for name in ("a", "b", "c"):
            gone = asyncio.create_task(desk.lease(asked(name)))
            await until_asked(desk, 1)
            gone.cancel()
            await asyncio.wait({gone})
            found = (await desk.lease(asked(f"{name} again"), wait_seconds=50)).call
            assert found is not None
            await desk.change(over(found))
    cancelled = [call for call in told if call.outcome == "Cancelled"]
    assert all((call.rung, call.state) == ("no", "released") for call in cancelled)
    assert (await store.call(pools.standings, SITE))["acme"].available == 1


async def test_a_waiter_who_is_gone_leaves_its_place_to_the_next(store: Store) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        call = (await desk.lease(asked("a"))).call
        assert call is not None
        gone = asyncio.create_task(desk.lease(asked("b"), wait_seconds=50))
        await until_asked(desk, 1)
        waiting = asyncio.create_task(desk.lease(asked("c"), wait_seconds=50))
        await until_asked(desk, 2)
        gone.cancel()
        await desk.change(over(call))
        assert (await waiting).call is not None


async def test_what_another_process_gives_back_reaches_who_waits_here(store: Store, store_url: str) -> None:
    pool(store, "8001")
    other = await asyncio.to_thread(Store.open, store_url)
    async with serving(store) as here, serving(other) as there:
        call = (await there.lease(asked("a"))).call
        assert call is not None
        waiting = asyncio.create_task(here.lease(asked("b"), wait_seconds=50))
        await until_asked(here, 1)
        await there.change(over(call))
        assert (await waiting).call is not None
    other.close()


async def test_the_desk_ends_what_is_overdue_and_gives_it_to_who_waits(store: Store) -> None:
    pool(store, "8001")
    clock = [datetime.now(UTC)]
    told: list[Call] = []
    async with serving(store, told=told.append, now=lambda: clock[0]) as desk:
        await desk.lease(asked("a", reserve_seconds=5, dial_seconds=5))
        waiting = asyncio.create_task(desk.lease(asked("b"), wait_seconds=50))
        await until_asked(desk, 1)
        while not waiting.done():
            clock[0] += timedelta(seconds=6)
            await asyncio.wait({waiting}, timeout=0.2)
    first = [call for call in told if call.request_key == "a"]
    assert [(call.state, call.outcome) for call in first] == [
        ("reserved", None),
        ("dialing", None),
        ("released", "TimedOut"),
    ]


class Broken(Store):
    """A store whose line breaks: before the commit, or after it."""

    breaks: ClassVar[list[str]] = []

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        how = self.breaks.pop(0) if self.breaks and function is leases.settle else ""
        if how == "before":
            raise StoreUnavailable("the line broke")
        found = await super().call(function, *args, **kwargs)
        if how == "after":
            raise StoreUnavailable("the line broke")
        return found


@pytest.fixture
def broken(store_url: str) -> Iterator[Store]:
    Broken.breaks.clear()
    opened = Broken.open(store_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_line_that_breaks_doubles_no_lease_and_loses_none(broken: Store, how: str) -> None:
    pool(broken, "8001", "8002")
    told: list[Call] = []
    async with serving(broken, told=told.append) as desk:
        Broken.breaks[:] = [how, how]
        leased = await desk.lease(asked("a"))
        assert leased.call is not None
        assert leased.fresh
        Broken.breaks[:] = [how]
        released = await desk.change(over(leased.call))
        assert released is not None
    assert [(call.id, call.state) for call in told] == [(leased.call.id, "reserved"), (leased.call.id, "released")]
    assert (await broken.call(pools.standings, SITE))["acme"].available == 2


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_caller_who_cannot_be_told_gets_an_error_and_keeps_nothing(
    broken: Store, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool(broken, "8001")
    monkeypatch.setattr(lease, "GIVE_UP_SECONDS", -1.0)
    async with serving(broken) as desk:
        Broken.breaks[:] = [how]
        with pytest.raises(StoreUnavailable):
            await desk.lease(asked("a"))
        assert (await desk.lease(asked("b"), wait_seconds=50)).call is not None


async def test_a_call_that_the_database_refuses_hurts_no_other(store: Store) -> None:
    pool(store, "8001", "8002", "8003")
    async with serving(store) as desk:
        bad = asked("bad", destination=None), asked("worse", custom={"a": object()})
        asking = [desk.lease(each) for each in (asked("a"), *bad, asked("b"))]
        good, *failed, fine = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(failed[0], StoreError)
    assert isinstance(failed[1], Exception)
    assert [each.call is not None for each in (good, fine) if isinstance(each, Leased)] == [True, True]


async def test_who_still_asks_when_the_desk_closes_is_turned_away(store: Store) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        await desk.lease(asked("a"))
        waiting = asyncio.create_task(desk.lease(asked("b"), wait_seconds=50))
        await until_asked(desk, 1)
    with pytest.raises(StoreUnavailable, match="being stopped"):
        await waiting


async def test_what_was_being_written_when_the_desk_closed_is_told_or_given_back(store: Store) -> None:
    pool(store, "8001")
    async with serving(store) as desk:
        waits, goes = (asyncio.create_task(desk.lease(asked(name), wait_seconds=50)) for name in ("a", "b"))
        await until_asked(desk, 2)
        while desk._work.is_set():  # until the transaction has begun
            await asyncio.sleep(0)
        goes.cancel()
    found = await waits
    assert found.call is not None
    assert (await store.call(pools.standings, SITE))["acme"].active_calls == 1


async def test_a_listener_that_fails_takes_nobodys_lease(store: Store) -> None:
    pool(store, "8001")

    def fail(_: Call) -> None:
        raise ValueError("broken")

    async with serving(store, told=fail) as desk:
        assert (await desk.lease(asked("a"))).call is not None


async def until_asked(desk: LeaseDesk, count: int) -> None:
    """Until so many stand in line."""
    while sum(map(len, desk._queues.values())) < count:
        await asyncio.sleep(0)
