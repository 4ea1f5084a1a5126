"""The benchmark measures: every row, small, with the real parts. How fast anything is, is not judged here."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import table
from bench.__main__ import app
from bench.results import Results
from bench.rows import rows

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick run leaves behind."""
    folder = tmp_path_factory.mktemp("bench")
    bench("run", "--quick", "--output", str(folder))
    return folder


def bench(*arguments: str) -> str:
    """Run ``python -m bench`` in this process; what it prints."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def results(output: Path) -> Results:
    return Results.load(output / "results.json")


def test_a_cold_start_is_counted_by_others_than_the_controller(results: Results) -> None:
    (cold,) = results.cold
    assert cold.n == 20
    assert cold.requests["patch extensions/status"] >= 20
    assert cold.requests["list extensions"] >= 1
    assert cold.reloads.count("res_pjsip.so") == 1
    assert cold.cpu_seconds > 0
    assert cold.peak_rss > 30 * 2**20


def test_a_cold_start_has_its_yardsticks(results: Results) -> None:
    (cold,) = results.cold
    assert min(cold.patch_floor) < cold.floor < cold.seconds
    assert len(cold.reload_floor) == 5
    assert cold.naive.requests >= 2 * 20  # a finalizer and a status for each
    assert cold.naive.seconds > 0
    assert cold.naive.peak_rss > 30 * 2**20


def test_each_change_is_waited_for(results: Results) -> None:
    (change,) = results.change
    assert len(change.samples) == 5
    assert min(change.samples) > 0
    assert min(change.reload_floor) > 0


def test_phones_register_in_the_steady_state_and_nothing_is_reloaded(results: Results) -> None:
    (steady,) = results.steady
    assert steady.registers >= steady.phones
    assert steady.reloads == []
    assert steady.seconds == pytest.approx(2, abs=1)


def test_every_edit_of_a_storm_has_its_staleness(results: Results) -> None:
    (storm,) = results.storm
    assert len(storm.staleness) == storm.edits == 20
    assert min(storm.staleness) > 0
    assert storm.reloads


def test_the_folder_and_the_commands_are_measured(results: Results) -> None:
    (site,) = results.standalone
    assert len(site.samples) == 3
    assert 0 < site.parse_floor < site.seconds
    assert [command.name for command in results.commands] == ["render", "validate", "diff"]
    assert all(0 < command.parse_floor < command.seconds for command in results.commands)


def test_messages_are_told_and_kept(results: Results) -> None:
    (messages,) = results.messages
    assert len(messages.samples) == 10
    assert 0 < min(messages.bare) < max(messages.samples)
    assert messages.cpu_seconds > 0
    assert [(each.database, each.batch) for each in messages.writes] == [
        ("SQLite", 1), ("SQLite", 100), ("PostgreSQL", 1), ("PostgreSQL", 100)
    ]  # fmt: skip
    assert all(each.per_second > 0 and each.bare_per_second > 0 for each in messages.writes)


def test_calls_are_placed(results: Results) -> None:
    assert [(calls.database, calls.after) for calls in results.calls] == [("PostgreSQL", 0.0), ("PostgreSQL", 0.05)]
    for calls in results.calls:
        assert len(calls.samples) == 2 * len(calls.bare) == 10
        assert min(calls.samples) > calls.after
        assert calls.cpu_seconds > 0


def test_leases_are_timed_on_both_databases_beside_their_yardsticks(results: Results) -> None:
    assert [(leases.database, leases.pool) for leases in results.leases] == [
        ("SQLite", 20), ("SQLite", 50), ("PostgreSQL", 20), ("PostgreSQL", 50)
    ]  # fmt: skip
    for leases in results.leases:
        assert leases.callers == 20
        assert leases.samples
        assert leases.naive
        assert min(leases.per_second, leases.naive_per_second, leases.updates_per_second) > 0


def test_calls_of_bots_are_measured_beside_a_bare_echo(results: Results) -> None:
    (voice,) = results.voice
    assert (voice.n, len(voice.first_audio), len(voice.silence)) == (2, 2, 2)
    assert min(voice.arrival_p50, voice.arrival_p99, voice.bare_arrival_p99, *voice.first_audio) > 0
    assert voice.asterisk_cpu > 0


def test_devices_are_measured_beside_a_bare_server(results: Results) -> None:
    (load,) = results.devices
    assert (load.n, load.tls_n) == (500, 50)
    assert min(load.connect_cpu, load.beat_cpu, load.bare_beat_cpu, load.bare_connect_cpu, load.devices_cpu) > 0
    assert min(load.rss, load.bare_rss) > 0
    assert load.back_seconds > 0
    assert [(commands.per_second, commands.near) for commands in load.commands] == [(100, False), (100, True)]
    assert all(len(commands.samples) + commands.missing == 100 for commands in load.commands)
    assert all(min(commands.samples) > 0 for commands in load.commands)


def test_every_row_with_a_yardstick_has_a_ratio(results: Results) -> None:
    idle = [row.what for row in rows(results) if row.yardstick and not row.ratio]
    assert all(what.startswith("steady state") for what in idle), idle  # an idle process may have taken nothing


def test_the_table_and_the_plot_are_made_from_the_results(output: Path, results: Results) -> None:
    assert table.as_markdown(results) in (output / "README.md").read_text()
    assert "<svg" in (output / "bench.svg").read_text()


def test_the_document_shows_the_results_that_are_kept() -> None:
    kept = Results.load(BENCH / "results.json")
    assert table.as_markdown(kept) in (BENCH / "README.md").read_text(), "run `python -m bench draw`"


def test_a_part_is_measured_alone_and_not_kept() -> None:
    before = (BENCH / "results.json").read_bytes()
    printed = bench("run", "--quick", "--only", "commands")
    assert "dialplane render" in printed
    assert "cold start" not in printed
    assert (BENCH / "results.json").read_bytes() == before
