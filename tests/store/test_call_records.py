"""Calls as people look for them."""

from datetime import timedelta
from typing import Any

import pytest

from dialplane.services.infinity.tables import call_records, unmatched_callbacks
from dialplane.services.infinity.tables.call_records import Filter
from dialplane.services.infinity.tables.calls import CALLS
from dialplane.services.infinity.tables.unmatched_callbacks import NewAside
from dialplane.store import Store
from tests.databases import NOW

SITE = "office"


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A call that is over."""
    return {
        "id": f"call-{number:020x}",
        "site": SITE,
        "tenant": "acme",
        "number": f"{8000 + number}",
        "agent": "ada",
        "callback_number": "+15550101",
        "destination": "+15550111",
        "caller_number": None,
        "case_id": None,
        "custom": {"note": "NUL \0 😀"},
        "campaign": None,
        "token": "tests",
        "request_key": f"key-{number}",
        "state": "released",
        "deadline": None,
        "dial_seconds": 60,
        "call_seconds": 7200,
        "answer_lost": False,
        "rung": "maybe",
        "outcome": "NotAnswered",
        "reason": None,
        "reserved_at": NOW,
        "dialing_at": NOW,
        "answered_at": None,
        "released_at": NOW,
        "record": None,
        "record_at": None,
        "provider_uuid": None,
        "ring_seconds": None,
        "talk_seconds": None,
        "hangup_cause": None,
        "recording": None,
    } | changes


def add(store: Store, *rows: dict[str, Any]) -> None:
    with store.write() as connection:
        connection.execute(CALLS.insert(), list(rows))


def agents(store: Store, only: Filter) -> list[str]:
    return [call.id[-1] for call in call_records.page(store, SITE, only, limit=50).calls]


@pytest.fixture
def several(store: Store) -> Store:
    add(
        store,
        row(1),
        row(2, tenant="globex", agent="bob"),
        row(3, case_id="case-7", campaign="spring"),
        row(4, state="active", outcome=None, released_at=None, reserved_at=NOW + timedelta(hours=1)),
        row(5, destination="+15550112", outcome="Answered", reserved_at=NOW + timedelta(hours=2)),
        row(6, site="other"),
    )
    return store


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (Filter(), "54321"),
        (Filter(tenants=frozenset({"acme"})), "5431"),
        (Filter(tenants=frozenset({"acme"}), tenant="globex"), ""),
        (Filter(tenants=frozenset()), ""),
        (Filter(tenant="globex"), "2"),
        (Filter(agent="bob"), "2"),
        (Filter(case_id="case-7"), "3"),
        (Filter(campaign="spring"), "3"),
        (Filter(state="active"), "4"),
        (Filter(outcome="Answered"), "5"),
        (Filter(destination="+15550112"), "5"),
        (Filter(since=NOW + timedelta(hours=1)), "54"),
        (Filter(until=NOW + timedelta(hours=2)), "4321"),
        (Filter(since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=2)), "4"),
    ],
    ids=str,
)
def test_calls_are_found_by_what_they_are(several: Store, only: Filter, found: str) -> None:
    assert "".join(agents(several, only)) == found


def test_pages_stand_still_while_calls_are_placed(store: Store) -> None:
    add(store, *[row(number) for number in range(1, 6)])
    first = call_records.page(store, SITE, Filter(), limit=2)
    add(store, row(9))
    second = call_records.page(store, SITE, Filter(), limit=2, before=first.next)
    last = call_records.page(store, SITE, Filter(), limit=2, before=second.next)
    assert [call.number for page in (first, second, last) for call in page.calls] == [
        "8005", "8004", "8003", "8002", "8001",
    ]  # fmt: skip
    assert last.next is None


def test_a_call_is_given_back_as_it_was_kept(store: Store) -> None:
    kept = row(1, record={"billsec": 7, "odd": "\ud800"}, record_at=NOW, recording="x\0y")
    add(store, kept)
    found = call_records.get(store, SITE, kept["id"])
    assert found is not None
    assert {name: getattr(found, name) for name in kept} == kept
    assert call_records.get(store, "other", kept["id"]) is None


def test_a_call_is_found_by_the_key_it_was_asked_for_with(several: Store) -> None:
    found = call_records.of_request(several, SITE, "tests", "key-3")
    assert found is not None
    assert found.case_id == "case-7"
    assert call_records.of_request(several, SITE, "others", "key-3") is None
    assert call_records.of_request(several, "other", "tests", "key-3") is None


def test_the_live_calls_of_an_agent_are_found(several: Store) -> None:
    add(several, row(7, tenant="globex", state="dialing", outcome=None, released_at=None))
    assert [call.id[-1] for call in call_records.live_of_agent(several, SITE, "ada")] == ["4", "7"]
    mine = frozenset({"globex"})
    assert [call.id[-1] for call in call_records.live_of_agent(several, SITE, "ada", mine)] == ["7"]


def test_old_calls_go_and_live_ones_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = NOW - timedelta(days=100)
    add(
        store,
        row(1, released_at=long_ago),
        row(2, released_at=long_ago),
        row(3, released_at=long_ago),
        row(4, released_at=NOW),
        row(5, state="active", reserved_at=long_ago, released_at=None),
        row(6, site="other", released_at=long_ago),
    )
    monkeypatch.setattr(call_records, "PRUNED_MOST", 2)
    gone = [call_records.prune(store, SITE, now=NOW, older_than=timedelta(days=90)) for _ in range(3)]
    assert gone == [2, 1, 0]
    assert agents(store, Filter()) == ["5", "4"]
    assert call_records.get(store, "other", row(6)["id"]) is not None


def aside(number: int, tenant: str = "acme") -> NewAside:
    body = {"memberid": f"{number}", "odd": "NUL \0 \ud800"}
    return NewAside(tenant, f"{number:064x}", NOW, "no call has this id", body)


def test_what_is_kept_aside_is_bounded_and_the_oldest_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unmatched_callbacks, "KEPT_MOST", 3)
    assert unmatched_callbacks.add(store, SITE, aside(100, tenant="globex"))
    assert [unmatched_callbacks.add(store, SITE, aside(number)) for number in (1, 2, 2, 3, 4, 5)] == [
        True, True, False, True, True, True,
    ]  # fmt: skip
    kept = unmatched_callbacks.page(store, SITE, limit=2)
    rest = unmatched_callbacks.page(store, SITE, limit=2, before=kept.next)
    found = [*kept.asides, *rest.asides]
    assert [(one.tenant, one.body["memberid"]) for one in found] == [
        ("acme", "5"), ("acme", "4"), ("acme", "3"), ("globex", "100"),
    ]  # fmt: skip
    assert found[0].body == aside(5).body
    assert rest.next is None
    only = unmatched_callbacks.page(store, SITE, limit=5, tenants=frozenset({"globex"}))
    assert [one.tenant for one in only.asides] == ["globex"]
    assert unmatched_callbacks.page(store, "other", limit=5).asides == ()
