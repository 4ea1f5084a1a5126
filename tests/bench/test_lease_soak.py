"""The soak of leases, short; and its audit, which finds what it is there to find."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench import lease_audit, lease_soak
from bench.lease_audit import Audit, Entry, Held
from dialplane.services.infinity.tables import leases, pools
from dialplane.services.infinity.tables.calls import NewCall
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tables.pools import EXTENSIONS, PoolWanted
from dialplane.store import Store
from tests.databases import NOW

SITE = "soak"


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
async def test_no_extension_has_two_calls_and_no_lease_outlives_its_deadline(database: str, tmp_path: Path) -> None:
    said: list[str] = []
    plan = lease_soak.Plan(operations=1_500, kills=2, databases=(database,), within=280)
    await lease_soak.soak(plan, tmp_path, said.append)
    assert "with 2 kills" in said[0]


def found(*told: Entry, held: Iterable[Held] = (), ended: bool = False) -> list[str]:
    audit = Audit({"acme": 2}, grace=5)
    audit.replay(told)
    if ended:
        audit.ended()
    audit.compare(held)
    return audit.findings


def hold(number: str, was: str | None, becomes: str | None) -> Entry:
    return Entry(100.0, "hold", number, "acme", was, becomes, None, None, None)


def call(
    seq: int, was: str | None, becomes: str, *, at: float = 100.0, outcome: str | None = None, deadline: float = 100.0
) -> Entry:
    return Entry(at, "call", f"{8000 + seq}", "acme", was, becomes, seq, outcome, deadline if was else None)


@pytest.mark.parametrize(
    ("told", "finding"),
    [
        ([hold("8001", None, "1"), hold("8001", "1", "2")], "8001 was held twice at once, by calls 1 and 2"),
        ([hold("8001", None, "1"), hold("8001", None, "2")], "8001 was held twice at once, by calls 1 and 2"),
        ([call(1, None, "reserved"), call(2, None, "reserved"), call(3, None, "reserved")], "acme had 3 calls"),
        ([call(1, None, "reserved"), call(1, "released", "active")], "moved from released to active"),
        ([call(1, None, "reserved"), call(1, "reserved", "released", at=106)], "6.0 s after its deadline"),
        ([call(1, None, "reserved"), call(1, "reserved", "released", at=90, outcome="TimedOut")], "10.000 s before"),
        ([hold("8001", None, "1"), Entry(1, "gone", "8001", "acme", "1", None, None, None, None)], "taken away"),
    ],
)
def test_the_audit_finds_what_must_not_be(told: list[Entry], finding: str) -> None:
    assert finding in "\n".join(found(*told))


def test_the_audit_finds_what_is_held_in_the_end() -> None:
    told = [call(1, None, "reserved"), hold("8001", None, "1")]
    assert found(*told, ended=True) == [
        "8001 is still held by call 1 in the end",
        "call 1 on 8001 is still reserved in the end",
    ]
    assert found(*told, hold("8001", "1", None), call(1, "reserved", "released"), ended=True) == []


def test_the_audit_finds_two_callers_who_relied_on_one_extension() -> None:
    told = [call(1, None, "reserved")]
    good = [Held("8001", 1, 10, 20), Held("8001", 1, 20, 30)]
    assert found(*told, held=good) == []
    assert "held twice at once" in found(*told, held=[*good, Held("8001", 1, 29, 31)])[0]
    assert "the database says otherwise" in found(*told, held=[Held("8002", 1, 10, 20)])[0]


def test_what_a_caller_wrote_down_ends_with_its_deadline_or_its_death(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("got 8001 1 10 30\nend 8001 1 12 30\ngot 8002 2 11 30\ngot 8003 3 11 15\n")
    assert list(lease_audit.written(log, died=20)) == [
        Held("8001", 1, 10, 12),
        Held("8002", 2, 11, 20),
        Held("8003", 3, 11, 15),
    ]


def test_the_triggers_see_whoever_changes_the_rows(store: Store) -> None:
    lease_audit.install(store.engine)
    pools.sync(store, SITE, [PoolWanted("acme", "LeastRecentlyUsed", 2, enabled=True, numbers=("8001", "8002"))])
    wanted = [NewCall("acme", "ann", "+15550100", "+15550101", "desk", key) for key in ("a", "b")]
    first, second = (each.call for each in leases.lease(store, SITE, wanted, now=NOW))
    assert first is not None
    assert second is not None
    leases.change(store, SITE, [Change(first.id, "released", outcome="Released")], now=NOW)
    audit = Audit({"acme": 2}, grace=1e12)
    audit.replay(lease_audit.entries(store.engine))
    assert (audit.findings, audit.leases, audit.released, audit.peak["acme"]) == ([], 2, 1, 2)
    with store.write() as connection:  # somebody gives out what another has
        connection.execute(sa.update(EXTENSIONS).where(EXTENSIONS.c.number == "8002").values(call=99))
    audit = Audit({"acme": 2}, grace=1e12)
    audit.replay(lease_audit.entries(store.engine))
    assert audit.findings == [f"8002 was held twice at once, by calls {second.seq} and 99"]
