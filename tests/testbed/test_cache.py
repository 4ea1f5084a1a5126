import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from testbed import cache


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_an_artefact_is_built_once() -> None:
    built: list[Path] = []

    def build(target: Path) -> None:
        built.append(target)
        (target / "content").write_text("whole")

    first, second = cache.artefact("things/one", build), cache.artefact("things/one", build)
    assert first == second
    assert (first / "content").read_text() == "whole"
    assert len(built) == 1


def test_a_build_that_failed_leaves_nothing_that_looks_finished() -> None:
    def half(target: Path) -> None:
        (target / "content").write_text("ha")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        cache.artefact("things/one", half)
    assert not (cache.root() / "things/one").exists()
    path = cache.artefact("things/one", lambda target: (target / "content").touch())
    assert sorted(each.name for each in path.iterdir()) == [cache.MARKER, "content"]


def test_a_directory_without_the_marker_is_built_again() -> None:
    (cache.root() / "things/one").mkdir(parents=True)
    assert (cache.artefact("things/one", lambda _: None) / cache.MARKER).exists()


def test_two_processes_never_build_the_same_thing(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import pathlib, time
        from testbed import cache
        def build(target):
            with pathlib.Path({str(tmp_path / "builds")!r}).open("a") as log:
                log.write("x")
            time.sleep(0.5)
        cache.artefact("shared", build)
    """)
    runs = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert (tmp_path / "builds").read_text() == "x"


def test_a_failing_step_shows_the_end_of_its_output() -> None:
    with pytest.raises(cache.BuildError, match="no such luck"):
        cache.run(["sh", "-c", "echo no such luck; exit 3"], label="step")


def test_a_step_that_hangs_is_killed() -> None:
    started = time.monotonic()
    with pytest.raises(cache.BuildError, match="ended with -9"):
        cache.run(["sleep", "30"], label="step", limit_seconds=0.3)
    assert time.monotonic() - started < 5


def test_progress_is_read_out_of_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    cache.run(["echo", "hello"], label="a step")
    assert capsys.readouterr().err == "testbed: a step\n"
