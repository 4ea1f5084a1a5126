"""What is computed from samples, without measuring anything."""

import itertools

import pytest

from bench import table
from bench.mix import Mix, Phone
from bench.observer import Observer, judged, verified
from bench.results import Calls, ColdStart, Command, InboxWrites, Leases, Messages, NaiveRun, Results, percentile
from bench.rows import rows
from bench.soak import Memory
from testbed.manifests import Manifest
from tests.bench.machines import MACHINE


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_a_percentile_is_a_sample(percent: int, expected: int) -> None:
    assert percentile([*range(100, 0, -1)], percent) == expected


def test_a_percentile_of_few_samples_is_not_below_them() -> None:
    assert percentile([3.0], 1) == percentile([3.0], 99) == 3.0


def test_ratios_are_ours_over_the_yardsticks() -> None:
    naive = NaiveRun(seconds=30, cpu_seconds=20, peak_rss=600, requests=2_000)
    cold = ColdStart(
        n=5_000, seconds=15, cpu_seconds=8, peak_rss=150, requests={"patch": 900, "list": 100}, reloads=["res_pjsip.so"],
        patch_floor=[11.5, 9.0], reload_floor=[5.0, 1.0, 0.5], naive=naive,
    )  # fmt: skip
    found = [(row.yardstick, row.ratio, row.goal) for row in rows(Results(machine=MACHINE, cold=[cold]))]
    assert found == [
        ("bare patches + bare reload", "1.50", "≤ 1.5"),
        ("naive operator", "0.50", "≤ 0.67"),
        ("naive operator", "0.40", "≤ 0.5"),
        ("naive operator", "0.25", "≤ 0.33"),
        ("naive operator", "0.50", ""),
        ("", "", "≤ 2"),
    ]


def test_a_topic_of_a_later_run_takes_the_place_of_its_own() -> None:
    slow, fast = (Command(name="render", n=1, seconds=seconds, parse_floor=1) for seconds in (9, 2))
    writes = Messages(per_second=1, seconds=1, samples=[1], bare=[1], cpu_seconds=1, peak_rss=1, writes=[])
    kept = Results(machine=MACHINE, commands=[slow], messages=[writes])
    later = Results(machine=MACHINE.model_copy(update={"date": "2026-02-02"}), commands=[fast])
    merged = kept.with_topics({"commands"}, later)
    assert (merged.commands, merged.messages) == ([fast], [writes])
    text = table.as_markdown(merged)
    assert "Measured on 2026-01-01" in text
    assert "Topic `commands`, in a run of its own. Measured on 2026-02-02" in text


def test_more_inbox_writes_than_the_yardsticks_are_a_ratio_below_1() -> None:
    writes = InboxWrites(database="SQLite", batch=100, per_second=2_000, bare_per_second=1_000)
    messages = Messages(
        per_second=50, seconds=30, samples=[0.1], bare=[0.05], cpu_seconds=3, peak_rss=2**27, writes=[writes]
    )
    found = {row.what: (row.ours, row.ratio) for row in rows(Results(machine=MACHINE, messages=[messages]))}
    assert found == {
        "message received, 50/s, until it was told, p50": ("100 ms", "2.00"),
        "message received, 50/s, until it was told, p99": ("100 ms", "2.00"),
        "message received, 50/s, CPU of one core": ("10 %", ""),
        "message received, 50/s, peak memory": ("128 MiB", ""),
        "inbox writes, SQLite": ("2,000/s", "0.50"),
    }


def test_what_a_call_adds_to_the_platforms_own_time_is_said() -> None:
    calls = Calls(
        database="SQLite", per_second=20, after=0.05, samples=[0.08, 0.1, 0.12], bare=[0.06, 0.05, 0.08],
        seconds=10, cpu_seconds=2, peak_rss=2**27,
    )  # fmt: skip
    found = {row.what: (row.ours, row.figure, row.goal) for row in rows(Results(machine=MACHINE, calls=[calls]))}
    what = "make-call, SQLite, 20/s, platform answers after 50 ms"
    assert found == {
        f"{what}, p50": ("100 ms", "60 ms", ""),
        f"{what}, p99": ("120 ms", "80 ms", ""),
        f"{what}, added to it, p99": ("60 ms", "", "≤ 100 ms"),
        f"{what}, CPU of one core": ("20 %", "", ""),
    }


def test_leases_are_beside_an_allocator_as_one_writes_it_first() -> None:
    leases = Leases(
        database="PostgreSQL", pool=50, callers=200, samples=[0.004, 0.008], per_second=2_000,
        naive=[0.008, 0.08], naive_per_second=500, updates_per_second=4_000,
    )  # fmt: skip
    found = [
        (row.what, row.ours, row.figure, row.ratio, row.goal) for row in rows(Results(machine=MACHINE, leases=[leases]))
    ]
    assert found == [
        ("lease, 200 callers, PostgreSQL, p50", "4.0 ms", "8.0 ms", "0.50", ""),
        ("lease, 200 callers, PostgreSQL, p99", "8.0 ms", "80 ms", "0.10", "< 20 ms"),
        ("lease and release, PostgreSQL", "2,000/s", "500/s", "0.25", ""),
        ("lease and release, PostgreSQL", "2,000/s", "4,000/s", "2.00", ""),
    ]


def extension(generation: int, ready: str, of: int) -> Manifest:
    condition = {"type": "Ready", "status": ready, "observedGeneration": of}
    return {"metadata": {"name": "e1", "generation": generation}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("seen", "as_verified", "as_judged"),
    [
        (extension(2, "True", 2), 2, 2),
        (extension(2, "True", 1), 1, 1),  # what is Ready is the version before
        (extension(2, "False", 2), 0, 2),
        (extension(2, "Unknown", 2), 0, 0),
        ({"metadata": {"name": "e1", "generation": 1}}, 0, 0),
    ],
)
def test_only_the_very_generation_counts(seen: Manifest, as_verified: int, as_judged: int) -> None:
    assert verified(seen) == as_verified
    assert judged(seen) == as_judged


async def test_waiting_ends_with_the_generation_and_not_before() -> None:
    observer = Observer(verified)
    observer.note(extension(2, "True", 1))
    with pytest.raises(RuntimeError, match="1 of 1 are not done"):
        await observer.until({"e1": 2}, limit_seconds=0.01, what="test")
    observer.note(extension(3, "True", 3))
    assert await observer.until({"e1": 2}, limit_seconds=0.01, what="test") == observer.done["e1"][3]


def test_the_same_seed_makes_the_same_changes() -> None:
    first, second = ([*Mix(50).batches(500)] for _ in range(2))
    assert first == second
    assert sum(map(len, first)) == 500


def test_a_mix_knows_what_shall_be_after_it() -> None:
    mix, site = Mix(50), {index: Phone(index) for index in range(50)}
    for change in itertools.chain.from_iterable([*mix.batches(1_000), mix.heal()]):
        if change.before is not None:
            assert site.pop(change.before.index) == change.before
        if change.after is not None:
            assert change.after.index not in site
            site[change.after.index] = change.after
    assert site == mix.phones
    assert all(phone.valid for phone in site.values())
    assert 25 < len(site) < 100


def test_growth_after_the_warm_up_is_seen_and_the_warm_up_is_not() -> None:
    steady = Memory([(change, 50 + min(change, 20)) for change in range(1, 101)])
    growing = Memory([(change, 100 + change) for change in range(1, 101)])
    assert steady.growth == pytest.approx(0)
    assert growing.growth == pytest.approx(60 / 130)
    assert growing.slope == pytest.approx(1)
