"""A pool becomes what its manifest asks for, and no call loses its extension by that, on both databases."""

from typing import Any

import pytest
import sqlalchemy as sa

from dialplane.services.infinity.tables import pools
from dialplane.services.infinity.tables.pools import PoolStanding
from dialplane.store import Store
from tests.databases import NOW
from tests.store.test_leases import SITE, end, take, taken, wanted


def numbers(store: Store, **only: Any) -> dict[str, str]:
    return {each.number: each.state for each in pools.extensions(store, SITE, limit=100, **only)}


def test_a_number_that_is_added_is_usable_at_once(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    taken(store, "a")
    pools.sync(store, SITE, [wanted("8001", "8002")])
    assert [call.number for call in taken(store, "b")] == ["8002"]


def test_a_number_that_is_removed_takes_no_new_call_and_goes_when_its_call_has_ended(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002")])
    first, second = taken(store, "a", "b")
    end(store, second)
    pools.sync(store, SITE, [wanted("8003")])
    assert numbers(store) == {"8001": "draining", "8003": "available"}
    assert pools.standings(store, SITE)["acme"] == PoolStanding(total=2, available=1, draining=1, active_calls=1)
    end(store, first)
    assert numbers(store) == {"8003": "available"}


def test_a_number_that_is_wanted_again_before_its_call_has_ended_stays(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002")])
    (call,) = taken(store, "a")
    pools.sync(store, SITE, [wanted("8002")])
    pools.sync(store, SITE, [wanted("8001", "8002")])
    end(store, call)
    assert numbers(store) == {"8001": "available", "8002": "available"}


def test_a_number_moves_to_another_tenant_when_it_is_free(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002"), wanted("8003", tenant="bolt")])
    (call,) = taken(store, "a")
    pools.sync(store, SITE, [wanted(), wanted("8003", "8002", "8001", tenant="bolt")])
    assert numbers(store, tenant="bolt") == {"8002": "available", "8003": "available"}
    assert numbers(store, tenant="acme") == {"8001": "draining"}
    end(store, call)
    moved = pools.extensions(store, SITE, tenant="bolt", limit=1)[0]
    assert (moved.number, moved.position, moved.state) == ("8001", 2, "available")
    assert len(taken(store, "b", "c", "d", tenant="bolt")) == 3


def test_a_tenant_that_is_gone_takes_no_calls_and_its_last_one_ends_in_peace(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002")])
    (call,) = taken(store, "a")
    pools.sync(store, SITE, [])
    denied = take(store, "b")[0].denied
    assert denied is not None
    assert denied.reason == "Disabled"
    end(store, call)
    pools.sync(store, SITE, [])
    assert (numbers(store), pools.standings(store, SITE)) == ({}, {})


def test_a_tenant_whose_manifest_cannot_be_read_keeps_its_pool_and_takes_no_calls(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001"), wanted("8002", tenant="bolt")])
    pools.sync(store, SITE, [wanted("8001", "8002", tenant="bolt")], keep=frozenset({"acme"}))
    assert numbers(store, tenant="acme") == {"8001": "available"}
    denied = take(store, "a")[0].denied
    assert denied is not None
    assert denied.reason == "Disabled"
    pools.sync(store, SITE, [wanted("8001"), wanted("8002", tenant="bolt")])
    assert len(taken(store, "a")) == 1


def test_nothing_is_written_where_nothing_changed(store: Store) -> None:
    pool = [wanted(*(f"{8000 + n}" for n in range(50))), wanted("9001", tenant="bolt")]
    pools.sync(store, SITE, pool)
    taken(store, "a")
    written: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *given: written.append(given[2]))
    pools.sync(store, SITE, pool)
    assert written
    assert not [each for each in written if not each.startswith(("SELECT", "BEGIN"))]


@pytest.mark.parametrize("change", [{"strategy": "RoundRobin"}, {"max_calls": 1}, {"enabled": False}])
def test_a_pool_is_asked_for_anew_without_its_calls_being_touched(store: Store, change: dict[str, Any]) -> None:
    pools.sync(store, SITE, [wanted("8001", "8002")])
    (call,) = taken(store, "a")
    pools.sync(store, SITE, [wanted("8001", "8002", **change)])
    assert pools.extensions(store, SITE, limit=1)[0].call == call.id
    assert (take(store, "b")[0].call is None) == (change != {"strategy": "RoundRobin"})


def test_an_extension_that_is_taken_out_of_service_ends_its_call_in_peace(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8001")])
    (call,) = taken(store, "a")
    offline = pools.set_offline(store, SITE, "8001", offline=True)
    assert offline is not None
    assert (offline.state, offline.call, offline.agent, offline.since) == ("in_use", call.id, "agent-a", NOW)
    end(store, call)
    assert take(store, "b")[0].call is None
    assert pools.standings(store, SITE)["acme"] == PoolStanding(total=1, offline=1)
    back = pools.set_offline(store, SITE, "8001", offline=False)
    assert back is not None
    assert (back.state, back.call, back.last_used_at) == ("available", None, NOW)
    assert pools.set_offline(store, SITE, "8009", offline=True) is None


def test_extensions_come_by_number_page_by_page(store: Store) -> None:
    pools.sync(store, SITE, [wanted("8003", "8001"), wanted("8002", tenant="bolt")])
    taken(store, "a")
    first = pools.extensions(store, SITE, limit=2)
    assert [each.number for each in first] == ["8001", "8002"]
    assert [each.number for each in pools.extensions(store, SITE, limit=2, after="8002")] == ["8003"]
    assert numbers(store, state="in_use") == {"8003": "in_use"}
    assert numbers(store, tenant="acme", state="available") == {"8001": "available"}
