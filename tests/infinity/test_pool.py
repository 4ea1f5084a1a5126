"""Pools follow the manifests: what is added is usable at once, what is removed drains, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dialplane.services.infinity.pool import Pools, Timing, Wanted, wanted
from dialplane.services.infinity.tables import leases
from dialplane.services.infinity.tables import pools as stored
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tenant import tenants
from dialplane.store import Store
from testbed.manifests import Manifest
from tests.databases import NOW
from tests.infinity.site import SITE, tenant_manifest, view
from tests.store.test_leases import asked

QUICK = Timing(changed=0.02, draining=0.05, quiet=0.1, again=0.2)


def plan(manifests: Iterable[Manifest], **about: Any) -> Wanted:
    seen = view(manifests, **about)
    return wanted(tenants(seen), seen.snapshot)


def test_a_pool_is_what_its_manifest_says() -> None:
    spec = {"maxConcurrentCalls": 7, "extensionPool": {"numbers": ["8002", "8010-8011"], "strategy": "RoundRobin"}}
    (pool,) = plan([tenant_manifest(**spec)]).pools
    assert (pool.tenant, pool.strategy, pool.max_calls, pool.enabled) == ("acme", "RoundRobin", 7, True)
    assert pool.numbers == ("8002", "8010", "8011")


def test_one_that_is_disabled_keeps_its_numbers_but_not_those_of_another() -> None:
    found = plan([tenant_manifest("off", "8001-8003", enabled=False), tenant_manifest("on", "8003")])
    assert {pool.tenant: (pool.enabled, pool.numbers) for pool in found.pools} == {
        "off": (False, ("8001", "8002")),
        "on": (True, ("8003",)),
    }
    assert not found.keep


def test_one_that_is_disabled_has_no_more_numbers_than_one_that_serves() -> None:
    ranges = [f"{n}0000-{n}9999" for n in range(100, 356)]
    found = plan([tenant_manifest("off", *ranges, enabled=False), tenant_manifest("on", "8003")])
    assert ([pool.tenant for pool in found.pools], found.keep) == (["on"], {"off"})


def test_one_that_cannot_be_served_as_it_is_written_is_left_alone() -> None:
    found = plan([tenant_manifest("unread", maxConcurrentCalls=0), tenant_manifest("refused")], refused=["refused"])
    assert (found.pools, found.keep) == ((), {"unread", "refused"})


@dataclass
class Rig:
    """The pools of a site, looked after."""

    store: Store
    pools: Pools
    drained: list[tuple[str, int]]
    changes: asyncio.Event
    calls: int = 0

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not done():
                self.changes.clear()
                await self.changes.wait()

    def standing(self, tenant: str = "acme") -> tuple[int, int, int] | None:
        """Available, in use, draining."""
        found = (self.pools.standings or {}).get(tenant)
        return (found.available, found.in_use, found.draining) if found else None

    async def lease(self) -> Call | None:
        self.calls += 1
        found = await self.store.call(leases.lease, SITE, [asked(str(self.calls))], now=NOW)
        self.pools.happened()
        return found[0].call

    async def end(self, call: Call) -> None:
        over = Change(call.id, "released", outcome="Released")
        await self.store.call(leases.change, SITE, [over], now=NOW)
        self.pools.happened()


@asynccontextmanager
async def looking(store: Store, *, leads: Callable[[], bool] = lambda: True) -> AsyncIterator[Rig]:
    drained: list[tuple[str, int]] = []
    changes = asyncio.Event()
    pools = Pools(
        store,
        SITE,
        leads=leads,
        changed=changes.set,
        drained=lambda tenant, number: drained.append((tenant, number)),
        timing=QUICK,
    )
    rig = Rig(store, pools, drained, changes)

    async def look() -> None:
        while True:
            await pools.look()

    task = asyncio.create_task(look())
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_numbers_that_are_added_are_usable_at_once(store: Store) -> None:
    async with looking(store) as rig:
        rig.pools.want(plan([tenant_manifest("acme", "8001")]))
        await rig.until(lambda: rig.pools.serves("acme") and rig.standing() == (1, 0, 0))
        assert await rig.lease()
        assert await rig.lease() is None
        rig.pools.want(plan([tenant_manifest("acme", "8001-8002")]))
        assert not rig.pools.serves("acme"), "not before the store has it"
        await rig.until(lambda: rig.pools.serves("acme"))
        second = await rig.lease()
        assert second
        assert second.number == "8002"


async def test_a_number_that_is_removed_takes_no_call_and_goes_when_its_call_is_over(store: Store) -> None:
    async with looking(store) as rig:
        rig.pools.want(plan([tenant_manifest("acme", "8001-8002")]))
        await rig.until(lambda: rig.standing() == (2, 0, 0))
        call = await rig.lease()
        assert call
        assert call.number == "8001"
        rig.pools.want(plan([tenant_manifest("acme", "8002")]))
        await rig.until(lambda: rig.standing() == (1, 0, 1))
        other = await rig.lease()
        assert other
        assert (other.number, await rig.lease()) == ("8002", None)
        assert not rig.drained
        await rig.end(call)
        await rig.until(lambda: rig.standing() == (0, 1, 0))
        assert rig.drained == [("acme", 1)]


async def test_a_tenant_that_is_deleted_drains(store: Store) -> None:
    async with looking(store) as rig:
        rig.pools.want(plan([tenant_manifest("acme")]))
        await rig.until(lambda: rig.pools.serves("acme"))
        call = await rig.lease()
        assert call
        rig.pools.want(plan([]))
        await rig.until(lambda: rig.standing() == (0, 0, 1))
        assert await rig.lease() is None
        await rig.end(call)
        await rig.until(lambda: rig.standing() is None)


async def test_a_manifest_that_cannot_be_read_takes_no_call_and_loses_nothing(store: Store) -> None:
    async with looking(store) as rig:
        rig.pools.want(plan([tenant_manifest("acme")]))
        await rig.until(lambda: rig.standing() == (2, 0, 0))
        rig.pools.want(plan([tenant_manifest("acme", maxConcurrentCalls=0)]))
        await rig.until(lambda: not rig.pools.serves("acme"))
        async with asyncio.timeout(10):
            while (found := await rig.lease()) is not None:
                await rig.end(found)
        await rig.until(lambda: rig.standing() == (2, 0, 0))


async def test_who_does_not_lead_changes_no_pool(store: Store) -> None:
    leads = False
    async with looking(store, leads=lambda: leads) as rig:
        rig.pools.want(plan([tenant_manifest("acme")]))
        await rig.until(lambda: rig.pools.standings == {})
        assert not rig.pools.serves("acme")
        leads = True
        await rig.until(lambda: rig.pools.serves("acme"))


async def test_what_another_leader_did_meanwhile_is_put_right(store: Store) -> None:
    async with looking(store) as rig:
        rig.pools.want(plan([tenant_manifest("acme")]))
        await rig.until(lambda: rig.standing() == (2, 0, 0))
        await store.call(stored.sync, SITE, plan([tenant_manifest("acme", "9001")]).pools)
        async with asyncio.timeout(10):
            while {e.number for e in await store.call(stored.extensions, SITE, limit=9)} != {"8001", "8002"}:
                await asyncio.sleep(0.02)
