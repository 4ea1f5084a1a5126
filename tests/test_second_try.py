"""What only passes in the second try is printed last; parts are built beside the tests that need none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
GOOD = "def test_good(): pass\n"
FLAKY = """
from pathlib import Path
import pytest
TRIED = Path(__file__).with_name("tried")

@pytest.mark.parametrize("user", ["a@b"])
@pytest.mark.xdist_group("group")
def test_flaky(user):
    tried = TRIED.exists()
    TRIED.touch()
    assert tried
"""
BROKEN = "def test_broken(): assert False\n"


WITH_PARTS = """
import sys
import tests.__main__ as run
run.CACHED_WITHIN_SECONDS = 0.1
sys.exit(run.run_with_parts(["-q", "-p", "no:cacheprovider"]))
"""
BUILDING = """
import sys, time
from pathlib import Path
while not Path("ran").exists():
    time.sleep(0.05)
Path("built").touch()
sys.exit({code})
"""
"""Stands in for the test bed; it is slower than the tests that need no part."""
NEEDING = """
from pathlib import Path
import pytest

def test_needs_none():
    assert not Path("built").exists()
    Path("ran").touch()

@pytest.mark.real
def test_needs_a_part():
    assert Path("built").exists()
"""


def python(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, done.stdout.splitlines()


def run(folder: Path, text: str, *arguments: str) -> tuple[int, list[str]]:
    (folder / "test_it.py").write_text(text)
    return python(folder, "-m", "tests", "-p", "no:cacheprovider", "-q", *arguments)


@pytest.mark.parametrize(("code", "passed"), [(0, 2), (1, 1)])
def test_parts_are_built_beside_the_tests_that_need_none(tmp_path: Path, code: int, passed: int) -> None:
    (tmp_path / "testbed").mkdir()
    (tmp_path / "testbed" / "__init__.py").touch()
    (tmp_path / "testbed" / "__main__.py").write_text(BUILDING.format(code=code))
    (tmp_path / "test_it.py").write_text(NEEDING)
    ended, lines = python(tmp_path, "-c", WITH_PARTS)
    assert ended == code
    assert sum(line.startswith("1 passed") for line in lines) == passed


def test_a_run_without_failures_passes(tmp_path: Path) -> None:
    code, lines = run(tmp_path, GOOD)
    assert code == 0
    assert "1 passed" in lines[-1]


def test_what_only_passes_in_the_second_try_is_printed_last(tmp_path: Path) -> None:
    code, lines = run(tmp_path, GOOD + FLAKY + BROKEN, "-n", "1", "--dist", "loadgroup")
    assert code == 1
    assert lines[-4:] == [
        "test: failed both times:",
        "  test_it.py::test_broken",
        "test: passed only in the second try, which is a bug to be mended too:",
        "  test_it.py::test_flaky[a@b]",
    ]


def test_what_passes_in_the_second_try_fails_no_run_alone(tmp_path: Path) -> None:
    code, lines = run(tmp_path, GOOD + FLAKY)
    assert code == 0
    assert lines[-1] == "  test_it.py::test_flaky[a@b]"


def test_many_failures_are_not_tried_again(tmp_path: Path) -> None:
    code, lines = run(
        tmp_path, "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_all(n): assert False\n"
    )
    assert code == 1
    assert lines[-1] == "test: 11 failed, too many for a second try"


def test_children_can_be_interrupted_however_the_tests_were_started() -> None:
    """A shell starts its background jobs with SIGINT ignored, and every child inherits that."""
    child = [sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"]
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    assert subprocess.run(child, capture_output=True, text=True, check=True).stdout == "False\n"
