"""Whom nobody calls: one list for all processes, in force at once, and every change of it kept."""

from datetime import timedelta

import pytest

from dialplane.services.infinity.tables import do_not_call, leases, pools
from dialplane.services.infinity.tables.calls import NewCall
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE, By, Standing
from dialplane.services.infinity.tables.pools import PoolWanted
from dialplane.store import Store
from tests.databases import NOW

SITE = "office"
HER = "+4930555010"
BOSS = By("boss", NOW, "asked on the telephone")


def lease(store: Store, identity: str, tenant: str = "acme", key: str = "a") -> str:
    """Why a call gets no extension; empty where it gets one."""
    wanted = [PoolWanted(name, "RoundRobin", 9, enabled=True, numbers=(f"80{digit}", f"80{digit + 1}")) for name, digit in (("acme", 10), ("globex", 20))]  # fmt: skip
    pools.sync(store, SITE, wanted)
    new = NewCall(tenant, "ada", "+15550101", "030555010", "tests", key, identity=identity)
    [leased] = leases.lease(store, SITE, [new], now=NOW)
    return leased.denied.reason if leased.denied else ""


def test_nobody_calls_a_number_from_the_moment_that_it_was_added(store: Store, store_url: str) -> None:
    other = Store.open(store_url)
    do_not_call.add(other, SITE, WHOLE_SITE, HER, BOSS)
    other.close()
    assert lease(store, HER) == "DoNotCall"
    assert lease(store, HER, "globex") == "DoNotCall"
    assert lease(store, "+4930555011") == ""


def test_what_a_tenant_does_not_call_others_may(store: Store) -> None:
    do_not_call.add(store, SITE, "acme", HER, BOSS)
    assert lease(store, HER) == "DoNotCall"
    assert lease(store, HER, "globex") == ""


def test_another_site_has_a_list_of_its_own(store: Store) -> None:
    do_not_call.add(store, "elsewhere", WHOLE_SITE, HER, BOSS)
    assert lease(store, HER) == ""


def test_a_number_that_cannot_be_compared_is_not_called_once_there_is_a_list(store: Store) -> None:
    assert lease(store, "030555010", key="before") == ""
    do_not_call.add(store, SITE, WHOLE_SITE, HER, BOSS)
    assert lease(store, "030555010", key="after") == "NumberUnknown"


def test_a_call_that_there_is_already_is_that_call_also_when_its_number_was_barred_since(store: Store) -> None:
    assert lease(store, HER) == ""
    do_not_call.add(store, SITE, WHOLE_SITE, HER, BOSS)
    assert lease(store, HER) == ""
    assert lease(store, HER, key="b") == "DoNotCall"


def test_one_barred_number_takes_nothing_from_the_others_of_its_transaction(store: Store) -> None:
    lease(store, "+4930555000", key="first")
    do_not_call.add(store, SITE, WHOLE_SITE, HER, BOSS)
    news = [NewCall("globex", "ada", "+15550101", HER, "tests", "x"), NewCall("globex", "ada", "+15550101", "+4930555011", "tests", "y")]  # fmt: skip
    barred, free = leases.lease(store, SITE, news, now=NOW)
    assert barred.denied is not None
    assert barred.denied.reason == "DoNotCall"
    assert free.call is not None


def test_a_number_is_added_once_and_removed_once_and_all_of_it_is_kept(store: Store) -> None:
    entry, fresh = do_not_call.add(store, SITE, WHOLE_SITE, HER, BOSS)
    again, anew = do_not_call.add(store, SITE, WHOLE_SITE, HER, By("other", NOW, "once more"))
    assert (fresh, anew, again) == (True, False, entry)
    later = By("clerk", NOW + timedelta(days=1), "a new owner")
    assert do_not_call.remove(store, SITE, WHOLE_SITE, HER, later) == entry
    assert do_not_call.remove(store, SITE, WHOLE_SITE, HER, later) is None
    assert do_not_call.remove(store, SITE, "acme", HER, later) is None
    assert do_not_call.entries(store, SITE, limit=9) == ()
    kept = do_not_call.changes(store, SITE, limit=9)
    assert [(each.change, each.token, each.reason, each.at) for each in kept] == [
        ("removed", "clerk", "a new owner", later.at),
        ("added", "boss", "asked on the telephone", NOW),
    ]


def test_pages_and_filters(store: Store) -> None:
    for index, tenant in enumerate((WHOLE_SITE, "acme", "globex")):
        do_not_call.add(store, SITE, tenant, f"+4930555{index:03}", BOSS)
    newest = do_not_call.entries(store, SITE, limit=2)
    assert [each.tenant for each in newest] == ["globex", "acme"]
    assert [each.tenant for each in do_not_call.entries(store, SITE, limit=2, before=newest[-1].seq)] == [WHOLE_SITE]
    assert [e.tenant for e in do_not_call.entries(store, SITE, limit=9, tenants=frozenset({"acme"}))] == ["acme"]
    assert [e.tenant for e in do_not_call.changes(store, SITE, limit=9, number="+4930555002")] == ["globex"]


def test_the_list_as_a_whole_is_read_only_where_it_changed(store: Store) -> None:
    assert do_not_call.standing(store, SITE) == Standing()
    assert do_not_call.standing(store, SITE, unless=0) is None
    do_not_call.add(store, SITE, WHOLE_SITE, HER, BOSS)
    do_not_call.add(store, SITE, "acme", "+4930555011", BOSS)
    found = do_not_call.standing(store, SITE, unless=0)
    assert found is not None
    assert found.of("acme") == {HER, "+4930555011"}
    assert found.of("globex") == {HER}
    assert do_not_call.standing(store, SITE, unless=found.version) is None


@pytest.mark.parametrize("number", ["+4930555010", "+1" + "5" * 14])
def test_every_number_of_e164_fits(store: Store, number: str) -> None:
    assert do_not_call.add(store, SITE, WHOLE_SITE, number, BOSS)[0].number == number
