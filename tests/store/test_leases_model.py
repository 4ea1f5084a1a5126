"""Whatever happens in whatever order, pools and calls are as a simple model of them says, on both databases."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialplane.services.infinity.tables import leases, pools
from dialplane.services.infinity.tables.calls import NewCall
from dialplane.services.infinity.tables.leases import CallRecord, Change
from dialplane.services.infinity.tables.pools import PoolWanted
from dialplane.store import Store
from tests.databases import NOW
from tests.store.pool_model import Extension, Model

TENANTS = ("acme", "bolt", "coil")
NUMBERS = tuple(f"800{n}" for n in range(1, 8))
STRATEGIES = ("LeastRecentlyUsed", "RoundRobin", "AgentAffinity")
SITES = itertools.count()

seconds = st.integers(1, 60)
pool_specs = st.tuples(st.sampled_from(STRATEGIES), st.integers(1, 8), st.sampled_from([True, True, True, False]))
calls = st.builds(
    lambda tenant, request_key, **other: NewCall(tenant=tenant, request_key=f"{tenant}-{request_key}", **other),
    tenant=st.sampled_from(["acme", "acme", *TENANTS]),
    agent=st.sampled_from(["ann", "bob", "cy"]),
    callback_number=st.just("+15550100"),
    destination=st.just("+15550101"),
    token=st.sampled_from(["desk", "shop"]),
    request_key=st.integers(0, 60),
    reserve_seconds=seconds,
    dial_seconds=seconds,
    call_seconds=seconds,
)
changes = st.tuples(
    st.integers(-8, 50),
    st.sampled_from(["dialing", "active", "released", "released"]),
    st.one_of(st.none(), st.builds(CallRecord, body=st.just({}), answered=st.booleans())),
)


@dataclass
class World:
    store: Store
    site: str = field(default_factory=lambda: f"site-{next(SITES)}")
    model: Model = field(default_factory=Model)
    now: datetime = NOW
    ids: list[str] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)

    def sync(self, owners: list[str | None], specs: dict[str, tuple[str, int, bool]], keep: frozenset[str]) -> None:
        wanted = [
            PoolWanted(
                tenant, *spec, numbers=tuple(n for n, owner in zip(NUMBERS, owners, strict=True) if owner == tenant)
            )
            for tenant, spec in specs.items()
            if tenant not in keep
        ]
        pools.sync(self.store, self.site, wanted, keep=keep)
        self.model.sync(wanted, keep)

    def lease(self, wanted: list[NewCall]) -> None:
        found = leases.lease(self.store, self.site, wanted, now=self.now)
        expected = [self.model.lease(each, self.now) for each in wanted]
        for each in sorted((each.call for each in found if each.call and each.fresh), key=lambda call: call.seq):
            self.ids.append(each.id)
            self.seqs.append(each.seq)
        for got, (held, reason) in zip(found, expected, strict=True):
            assert (got.denied.reason if got.denied else None) == reason
            assert (got.call is None) == (held is None)
            if got.call is not None:
                assert (got.call.number, got.call.id) == (held.number, self.ids[held.serial - 1])

    def change(self, wanted: list[tuple[int, Any, CallRecord | None]]) -> None:
        known = [(at % len(self.ids), to, record) for at, to, record in wanted if self.ids]
        asked = [Change(self.ids[at], to, record=record if to != "dialing" else None) for at, to, record in known]
        found = leases.change(self.store, self.site, [*asked, Change("call-none", "released")], now=self.now)
        assert found.pop() is None
        for (at, _, _), change, got in zip(known, asked, found, strict=True):
            held = self.model.calls[at]
            self.model.change(held, change, self.now)
            assert got is not None
            assert (got.seq, got.state, got.deadline) == (self.seqs[at], held.state, held.deadline)

    def offline(self, number: str, offline: bool) -> None:
        found = pools.set_offline(self.store, self.site, number, offline)
        known = self.model.extensions.get(number)
        assert (found is None) == (known is None)
        if known:
            known.offline = offline

    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def reap(self) -> None:
        found = leases.reap(self.store, self.site, now=self.now)
        assert {call.seq for call in found} == {self.seqs[serial - 1] for serial in self.model.reap(self.now)}

    def check(self) -> None:
        found = {each.number: each for each in pools.extensions(self.store, self.site, limit=100)}
        assert {n: (each.tenant, each.position, each.state, each.call) for n, each in found.items()} == {
            n: (each.tenant, each.position, _state(each), self.ids[each.call - 1] if each.call else None)
            for n, each in self.model.extensions.items()
        }
        standings = pools.standings(self.store, self.site)
        assert {t: each.active_calls for t, each in standings.items() if each.active_calls} == {
            t: len(self.model.live(t)) for t in TENANTS if self.model.live(t)
        }
        for each in standings.values():
            assert each.total == each.available + each.in_use + each.offline + each.draining


def _state(extension: Extension) -> str:
    if extension.draining:
        return "draining"
    if extension.call is not None:
        return "in_use"
    return "offline" if extension.offline else "available"


syncs = st.tuples(
    st.lists(st.sampled_from([*TENANTS, "acme", None]), min_size=len(NUMBERS), max_size=len(NUMBERS)),
    st.dictionaries(st.sampled_from(TENANTS), pool_specs, min_size=2),
    st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"acme"})]),
).map(lambda given: lambda world: world.sync(*given))
lending = st.lists(calls, min_size=1, max_size=5).map(lambda given: lambda world: world.lease(given))
changing = st.lists(changes, min_size=1, max_size=5).map(lambda given: lambda world: world.change(given))
others = [
    syncs,
    st.tuples(st.sampled_from(NUMBERS), st.booleans()).map(lambda given: lambda world: world.offline(*given)),
    st.integers(0, 40).map(lambda given: lambda world: world.pass_time(given)),
    st.just(lambda world: world.reap()),
]
operations: st.SearchStrategy[Callable[[World], None]] = st.integers(0, 15).flatmap(
    lambda which: others[which] if which < len(others) else lending if which % 2 else changing
)
some = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@some
@given(
    strategy=st.sampled_from(STRATEGIES),
    maximum=st.integers(1, 8),
    happens=st.lists(operations, min_size=25, max_size=50),
)
def test_pools_and_calls_do_what_the_model_says(
    store: Store, strategy: str, maximum: int, happens: list[Callable[[World], None]]
) -> None:
    world = World(store)
    world.sync(["acme"] * 5 + ["bolt"] * 2, dict.fromkeys(TENANTS[:2], (strategy, maximum, True)), frozenset())
    for operation in happens:
        operation(world)
        world.check()
