"""What may become of a pool's extensions and their calls, on both databases."""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dialplane.services.infinity.tables import leases, pools
from dialplane.services.infinity.tables.calls import Call, NewCall
from dialplane.services.infinity.tables.leases import CallRecord, Change, Leased
from dialplane.services.infinity.tables.pools import EXTENSIONS, PoolStanding, PoolWanted
from dialplane.store import Store
from tests.databases import NOW

SITE = "office"
OVER = CallRecord({"billsec": 30}, answered=True, uuid="uuid-1", ring_seconds=4, talk_seconds=30, hangup_cause=16)
SILENT = CallRecord({"billsec": 0}, answered=False)


def wanted(*numbers: str, tenant: str = "acme", strategy: str = "LeastRecentlyUsed", **other: Any) -> PoolWanted:
    return PoolWanted(tenant, strategy, **{"max_calls": 50, "enabled": True} | other, numbers=numbers)


def asked(key: str, **other: Any) -> NewCall:
    fields = {"tenant": "acme", "agent": f"agent-{key}", "callback_number": "+15550100", "destination": "+15550101"}
    return NewCall(**fields | {"token": "desk", "request_key": key} | other)


def take(store: Store, *keys: str, now: datetime = NOW, **other: Any) -> list[Leased]:
    return leases.lease(store, SITE, [asked(key, **other) for key in keys], now=now)


def taken(store: Store, *keys: str, now: datetime = NOW, **other: Any) -> list[Call]:
    found = [each.call for each in take(store, *keys, now=now, **other)]
    assert None not in found
    return [each for each in found if each is not None]


def end(store: Store, *calls: Call, now: datetime = NOW) -> list[Call | None]:
    return become(store, [Change(call.id, "released", record=OVER) for call in calls], now=now)


def become(store: Store, changes: Sequence[Change], now: datetime = NOW) -> list[Call | None]:
    return leases.change(store, SITE, changes, now=now)


def one(store: Store, change: Change, now: datetime = NOW) -> Call:
    found = become(store, [change], now=now)[0]
    assert found is not None
    return found


def test_calls_are_given_an_extension_each_until_there_are_no_more(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002")])
    assert [call.number for call in taken(store, "a", "b")] == ["8001", "8002"]
    denied = take(store, "c")[0].denied
    assert denied == leases.Denied("Exhausted", in_use=2, maximum=50, total=2, available=0)


def test_an_extension_is_free_again_once_its_call_is_over(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    end(store, *taken(store, "a"))
    assert [call.number for call in taken(store, "b")] == ["8001"]
    assert pools.standings(store, SITE) == {"acme": PoolStanding(total=1, in_use=1, active_calls=1)}


def test_a_late_record_frees_nobody_elses_lease(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (first,) = taken(store, "a")
    one(store, Change(first.id, "released", outcome="Released"))
    (second,) = taken(store, "b")
    late = one(store, Change(first.id, "released", record=OVER), now=NOW + timedelta(seconds=5))
    assert (late.outcome, late.record, late.talk_seconds, late.provider_uuid) == ("Answered", OVER.body, 30, "uuid-1")
    assert pools.extensions(store, SITE, limit=9)[0].call == second.id
    assert take(store, "c")[0].denied is not None


def test_even_a_holder_that_is_not_the_calls_own_is_left_alone(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (first,) = taken(store, "a")
    with store.write() as connection:
        connection.execute(sa.update(EXTENSIONS).values(call=first.seq + 1))
    end(store, first)
    with store.read() as connection:
        assert connection.execute(sa.select(EXTENSIONS.c.call)).scalar() == first.seq + 1


def test_the_same_request_has_the_same_call_for_ever(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002", "8003")])
    first, twin, other = take(store, "a", "a", "b")
    assert (first.fresh, twin.fresh, twin.call, other.fresh) == (True, False, first.call, True)
    again, new = take(store, "a", "c")
    assert (again.call, again.fresh, new.fresh) == (first.call, False, True)
    assert first.call is not None
    (over,) = end(store, first.call)
    assert (take(store, "a")[0].call, take(store, "a")[0].fresh) == (over, False)
    assert take(store, "a", token="another")[0].fresh


def test_a_request_that_has_its_call_has_it_though_the_pool_is_exhausted(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (call,) = taken(store, "a")
    again, denied = take(store, "a", "b")
    assert (again.call, again.fresh) == (call, False)
    assert denied.denied is not None


def test_one_request_at_two_tenants_at_once_has_one_call(store: Store, store_url: str) -> None:
    pools.sync(store, SITE, [wanted("8001"), wanted("8002", tenant="bolt")])
    other = Store.open(store_url)
    together = threading.Barrier(2)

    def ask(on: Store, tenant: str, key: str) -> Leased:
        together.wait(30)
        return take(on, key, tenant=tenant)[0]

    with ThreadPoolExecutor(2) as threads:
        for key in ("a", "b", "c", "d"):
            asking = [threads.submit(ask, on, tenant, key) for on, tenant in ((store, "acme"), (other, "bolt"))]
            found = [each.result(60) for each in asking]
            calls = [each.call for each in found if each.call is not None]
            assert len({call.id for call in calls}) == 1
            assert [each.fresh for each in found].count(True) == 1
            end(store, calls[0])
    other.close()


@pytest.mark.parametrize("strategy", ["LeastRecentlyUsed", "RoundRobin", "AgentAffinity"])
def test_the_maximum_holds_over_processes(store: Store, store_url: str, strategy: str) -> None:
    pools.sync(store, SITE, [wanted(*(f"{8000 + n}" for n in range(30)), max_calls=7, strategy=strategy)])
    stores = [store, *(Store.open(store_url) for _ in range(3))]
    together = threading.Barrier(4)

    def ask(at: int) -> list[Leased]:
        together.wait(30)
        return [found for n in range(5) for found in take(stores[at], f"{at}-{n}")]

    with ThreadPoolExecutor(4) as threads:
        found = [each for asked_for in threads.map(ask, range(4)) for each in asked_for]
    calls = [each.call for each in found if each.call]
    assert len({call.number for call in calls}) == len(calls) == 7
    assert {each.denied.reason for each in found if each.denied} == {"AtMaximum"}
    for opened in stores[1:]:
        opened.close()


def test_processes_that_lease_release_and_change_the_pools_at_once_never_block_each_other(
    store: Store, store_url: str
) -> None:
    numbers = [f"{8000 + n}" for n in range(20)]
    tenants = ("acme", "bolt")
    pools.sync(store, SITE, [wanted(*numbers[:10]), wanted(*numbers[10:], tenant="bolt")])
    stores = [store, *(Store.open(store_url) for _ in range(3))]

    def work(at: int) -> int:
        chance, held, done = random.Random(at), [], 0  # noqa: S311 -- to be had again
        for turn in range(40):
            if at == 3:  # numbers go to and fro
                split = chance.randrange(20)
                mixed = chance.sample(numbers, 20)
                pools.sync(stores[at], SITE, [wanted(*mixed[:split]), wanted(*mixed[split:], tenant="bolt")])
                continue
            new = [asked(f"{at}-{turn}-{n}", tenant=chance.choice(tenants)) for n in range(4)]
            held += [each.call for each in leases.lease(stores[at], SITE, new, now=NOW) if each.call]
            chance.shuffle(held)
            gone, held = held[:4], held[4:]
            done += sum(each is not None for each in end(stores[at], *gone))
        end(stores[at], *held)
        return done

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) > 0
    standings = pools.standings(store, SITE).values()
    assert (sum(each.in_use + each.draining for each in standings), sum(each.total for each in standings)) == (0, 20)
    for opened in stores[1:]:
        opened.close()


def test_least_recently_used_is_by_when_its_last_call_began(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002", "8003")])
    first, second, third = taken(store, "a", "b", "c")
    end(store, third)
    end(store, first)
    end(store, second)
    assert [call.number for call in taken(store, "d", "e", "f")] == ["8001", "8002", "8003"]


def test_round_robin_goes_on_after_the_last_one_given(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002", "8003", strategy="RoundRobin")])
    end(store, *taken(store, "a"))
    (second,) = taken(store, "b")
    assert [second.number, *(call.number for call in taken(store, "c", "d"))] == ["8002", "8003", "8001"]


def test_affinity_gives_an_agent_the_one_it_had_and_never_one_that_is_taken(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002", "8003", strategy="AgentAffinity")])
    end(store, *taken(store, "a", "b", agent="ann")[:2])
    assert [call.number for call in taken(store, "c", "d", agent="ann")] == ["8002", "8003"]
    assert [call.number for call in taken(store, "e", agent="ann")] == ["8001"]


def test_an_extension_that_somebody_is_changing_is_passed_over_and_not_waited_for(postgres_url: str) -> None:
    """On PostgreSQL alone: SQLite has one writer at a time."""
    store = Store.open(postgres_url)
    try:
        pools.sync(store, SITE, [wanted("8001", "8002")])
        with store.engine.begin() as connection:
            mine = sa.select(EXTENSIONS).where(EXTENSIONS.c.number == "8001")
            connection.execute(mine.with_for_update())
            assert [call.number for call in taken(store, "a")] == ["8002"]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        ([], "NoTenant"),
        ([wanted("8001", enabled=False)], "Disabled"),
        ([wanted("8001", "8002", max_calls=1)], "AtMaximum"),
        ([wanted("8001")], "Exhausted"),
    ],
)
def test_who_is_denied_learns_why(store: Store, pool: list[PoolWanted], reason: str) -> None:
    pools.sync(store, SITE, pool)
    denied = take(store, "a", "b")[1].denied
    assert denied is not None
    assert denied.reason == reason


STEPS = {
    "accepted": (Change("", "dialing", rung="maybe"), ("dialing", "maybe", None)),
    "lost": (Change("", "dialing", rung="maybe", answer_lost=True), ("dialing", "maybe", None)),
    "answered": (Change("", "active", record=CallRecord({}, answered=True)), ("active", "yes", None)),
    "over": (Change("", "released", record=OVER), ("released", "yes", "Answered")),
    "silent": (Change("", "released", record=SILENT), ("released", "maybe", "NotAnswered")),
    "refused": (Change("", "released", outcome="Refused", rung="no"), ("released", "no", "Refused")),
}


def step(store: Store, call: Call, name: str) -> Call:
    return one(store, replace(STEPS[name][0], call=call.id))


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (["accepted"], ("dialing", "maybe", None)),
        (["accepted", "answered"], ("active", "yes", None)),
        (["accepted", "answered", "over"], ("released", "yes", "Answered")),
        (["accepted", "silent"], ("released", "maybe", "NotAnswered")),
        (["silent", "accepted"], ("released", "maybe", "NotAnswered")),  # the record was quicker than the answer
        (["over", "lost", "answered", "refused"], ("released", "yes", "Answered")),
        (["over", "silent"], ("released", "yes", "Answered")),  # the first record counts
        (["answered", "accepted"], ("active", "yes", None)),
        (["lost", "refused"], ("released", "no", "Refused")),
        (["refused", "over"], ("released", "yes", "Refused")),  # it says so, and the record is kept
    ],
)
def test_a_call_only_goes_forward(store: Store, names: list[str], end: tuple[str, str, str | None]) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (call,) = taken(store, "a")
    for name in names:
        call = step(store, call, name)
    assert (call.state, call.rung, call.outcome) == end
    assert (pools.standings(store, SITE)["acme"].available == 1) == (call.state == "released")


def test_each_state_has_its_own_deadline(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (call,) = taken(store, "a", reserve_seconds=15, dial_seconds=60, call_seconds=7200)
    assert call.deadline == NOW + timedelta(seconds=15)
    call = one(store, Change(call.id, "dialing"), now=NOW + timedelta(seconds=1))
    assert (call.dialing_at, call.deadline) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=61))
    call = one(store, Change(call.id, "active"), now=NOW + timedelta(seconds=9))
    assert (call.answered_at, call.deadline) == (NOW + timedelta(seconds=9), NOW + timedelta(seconds=7209))
    call = one(store, Change(call.id, "released", record=OVER), now=NOW + timedelta(seconds=99))
    assert (call.released_at, call.deadline) == (NOW + timedelta(seconds=99), None)


def test_the_answer_that_comes_after_all_is_no_longer_lost(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (call,) = taken(store, "a", reserve_seconds=5)
    (call,) = leases.reap(store, SITE, now=NOW + timedelta(seconds=5))
    assert (call.state, call.answer_lost, call.rung) == ("dialing", True, "maybe")
    call = one(store, Change(call.id, "dialing", caller_number="+15550199"))
    assert (call.answer_lost, call.caller_number, call.reason) == (False, "+15550199", None)


def test_whoever_dies_holds_no_lease_beyond_its_deadline(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002")])
    taken(store, "a", "b", reserve_seconds=5, dial_seconds=60)
    assert leases.reap(store, SITE, now=NOW + timedelta(seconds=4)) == []
    assert len(leases.reap(store, SITE, now=NOW + timedelta(seconds=5), limit=1)) == 1
    assert len(leases.reap(store, SITE, now=NOW + timedelta(seconds=6))) == 1
    ended = leases.reap(store, SITE, now=NOW + timedelta(seconds=70))
    assert [(call.state, call.outcome, call.rung) for call in ended] == [("released", "TimedOut", "maybe")] * 2
    assert pools.standings(store, SITE)["acme"] == PoolStanding(total=2, available=2)


def test_of_many_reapers_one_ends_a_call(store: Store, store_url: str) -> None:
    pools.sync(store, SITE, [wanted(*(f"{8000 + n}" for n in range(30)))])
    taken(store, *(str(n) for n in range(30)), reserve_seconds=1)
    stores = [store, *(Store.open(store_url) for _ in range(3))]
    together = threading.Barrier(4)

    def reap(on: Store) -> list[Call]:
        together.wait(30)
        return leases.reap(on, SITE, now=NOW + timedelta(seconds=2), limit=30)

    with ThreadPoolExecutor(4) as threads:
        found = [call.id for ended in threads.map(reap, stores) for call in ended]
    assert len(found) == len(set(found)) == 30
    for opened in stores[1:]:
        opened.close()


def test_calls_of_another_site_are_none_of_ours(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (call,) = taken(store, "a")
    assert leases.change(store, "another", [Change(call.id, "released")], now=NOW) == [None]
    assert leases.reap(store, "another", now=NOW + timedelta(days=9)) == []
