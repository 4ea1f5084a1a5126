"""What may become of a pool's extensions and their calls, on both databases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dialplane.store import Store, leases, pools
from dialplane.store.calls import Call, NewCall
from dialplane.store.leases import CallRecord, Change, Leased
from dialplane.store.pools import PoolStanding, PoolWanted
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
