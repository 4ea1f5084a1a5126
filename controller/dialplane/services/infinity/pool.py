"""Brings the pools in the store to what the manifests say, and knows what their extensions do."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dialplane.resources.pool_numbers import POOL_MOST, count_of, numbers_of
from dialplane.resources.snapshot import Snapshot
from dialplane.services.infinity import metrics
from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.pools import PoolStanding, PoolWanted
from dialplane.services.infinity.tenant import Tenant
from dialplane.store import Store

KIND: Final = "InfinityTenant"
STATES: Final = ("available", "in_use", "offline", "draining")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between looks at the pools."""

    changed: float = 2.0
    """At least, however many calls there are: what a status says changes as often at most."""
    draining: float = 2.0
    """While extensions drain: they go when their call is over, which another process may have ended."""
    quiet: float = 10.0
    """Where nothing happens here: other processes lease as well."""
    again: float = 60.0
    """Between two times that the store is told what it should have already."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the pools of a site should be."""

    pools: tuple[PoolWanted, ...] = ()
    keep: frozenset[str] = frozenset()
    """Tenants that are there and cannot be served as they are written: they keep what they have, and take no call."""


def wanted(tenants: Mapping[str, Tenant], snapshot: Snapshot) -> Wanted:
    """The pools of the tenants that serve, and of those that are disabled, of which nobody checked the numbers."""
    found = [_pool(tenant) for tenant in tenants.values() if tenant.serves]
    theirs = {number for pool in found for number in pool.numbers}
    for tenant in tenants.values():
        # 256 ranges may be millions of numbers: such a manifest is refused as soon as it is enabled.
        if not tenant.spec.enabled and count_of(tenant.spec.extension_pool.numbers) <= POOL_MOST:
            pool = _pool(tenant, without=theirs)
            theirs.update(pool.numbers)
            found.append(pool)
    named = {pool.tenant for pool in found}
    return Wanted(tuple(found), frozenset(key.name for key in snapshot.resources if key.kind == KIND) - named)


def _pool(tenant: Tenant, *, without: set[str] | frozenset[str] = frozenset()) -> PoolWanted:
    spec = tenant.spec
    return PoolWanted(
        tenant=tenant.name,
        strategy=spec.extension_pool.strategy,
        max_calls=spec.max_concurrent_calls,
        enabled=tenant.serves,
        numbers=tuple(n for n in dict.fromkeys(numbers_of(spec.extension_pool.numbers)) if n not in without),
    )


class Pools:
    """The pools of one site."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        leads: Callable[[], bool],
        changed: Callable[[], None],
        drained: Callable[[str, int], None],
        timing: Timing = Timing(),
    ) -> None:
        """Look after them.

        Args:
            store: where they are.
            site: the namespace.
            leads: whether this process may change what should be; every process leases.
            changed: called after each look, when `standings` and `serves` may say something new.
            drained: told of a tenant and how many of its extensions went.
            timing: how often it looks.
        """
        self._store = store
        self._site = site
        self._leads = leads
        self._changed = changed
        self._drained = drained
        self._timing = timing
        self._wanted: Wanted | None = None
        self._synced: Wanted | None = None
        self._synced_at = 0.0
        self._served: Mapping[str, PoolWanted] = {}
        self._seen = asyncio.Event()
        self._happened = asyncio.Event()
        self.standings: Mapping[str, PoolStanding] | None = None
        """What the extensions of each tenant do; None until it is known."""

    def want(self, wanted_now: Wanted) -> None:
        """From now on the pools should be this."""
        self._wanted = wanted_now
        self._seen.set()

    def happened(self) -> None:
        """A call began or ended."""
        self._happened.set()

    def serves(self, tenant: str) -> bool:
        """Whether the store has the pool of this tenant as its manifest wants it now."""
        now = {pool.tenant: pool for pool in self._wanted.pools} if self._wanted else {}
        return tenant in now and self._served.get(tenant) == now[tenant]

    async def look(self) -> None:
        """Bring the store up to date, see what is in it, and wait until there may be more to do.

        Raises:
            StoreError: the store is away; nothing is lost, call it again.
        """
        loop = asyncio.get_running_loop()
        self._seen.clear()
        self._happened.clear()
        wanted_now, draining = self._wanted, self._draining()
        if not self._leads():
            self._synced = None  # whoever leads may want something else meanwhile
        elif wanted_now is not None and (
            draining or wanted_now != self._synced or loop.time() - self._synced_at >= self._timing.again
        ):
            self._synced = None
            await self._store.call(pools.sync, self._site, wanted_now.pools, keep=wanted_now.keep)
            self._synced, self._synced_at = wanted_now, loop.time()
        standings = await self._store.call(pools.standings, self._site)
        self._note(standings)
        await self._rest()

    def _note(self, standings: Mapping[str, PoolStanding]) -> None:
        before, self.standings = self.standings, standings
        served = {pool.tenant: pool for pool in self._synced.pools} if self._synced else self._served
        same, self._served = served == self._served, served
        self._measure(before or {}, standings)
        if same and before is not None:
            for tenant, was in before.items():
                left = standings[tenant].draining if tenant in standings else 0
                if left < was.draining:
                    self._drained(tenant, was.draining - left)
        self._changed()

    @staticmethod
    def _measure(before: Mapping[str, PoolStanding], standings: Mapping[str, PoolStanding]) -> None:
        for tenant in before.keys() - standings.keys():
            for state in STATES:
                metrics.EXTENSIONS.remove(tenant, state)
        for tenant, standing in standings.items():
            for state in STATES:
                metrics.EXTENSIONS.labels(tenant, state).set(getattr(standing, state))

    async def _rest(self) -> None:
        """Until there is a new view, at once; until a call changed, but not too often; else for a while."""
        timing = self._timing
        if await _within(self._seen, timing.changed):
            return
        left = (timing.draining if self._draining() else timing.quiet) - timing.changed
        either = (asyncio.create_task(event.wait()) for event in (self._seen, self._happened))
        tasks = tuple(either)
        try:
            await asyncio.wait(tasks, timeout=max(left, 0.0), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _draining(self) -> bool:
        return any(standing.draining for standing in (self.standings or {}).values())


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
