"""`make test`: every test, and what failed once more, alone, to tell a flaky test from a broken one, which fails the run.

With `--parts` it gets the real parts first. What has to be built for that is built at low priority, beside the tests
that need no part; the others run after it.
"""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import pytest

CACHED_WITHIN_SECONDS = 20
"""So long it takes at most to find parts that are in the cache; what takes longer is being built."""
ASKED_AGAIN = 10
"""More failures than these are no matter of chance, and are not tried again."""


class Failures:
    """Takes the ids of the tests that fail, as a plugin of pytest."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.ids[_without_group(report.nodeid)] = None


def _without_group(node_id: str) -> str:
    """Return the id that pytest takes on its command line; pytest-xdist appends the group."""
    test, _, group = node_id.rpartition("@")
    return test if test and "]" not in group else node_id


def run_twice(arguments: Sequence[str]) -> int:
    """Run pytest, then each failed test in a process of its own; return 0 where each passed at last."""
    failures = Failures()
    code = int(pytest.main([*arguments], plugins=[failures]))
    if code != pytest.ExitCode.TESTS_FAILED:
        return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code
    if len(failures.ids) > ASKED_AGAIN:
        print(f"test: {len(failures.ids)} failed, too many for a second try")
        return code
    print("test: what failed, again and each alone", flush=True)
    passed = [test for test in failures.ids if subprocess.call([sys.executable, "-m", "pytest", "-q", test]) == 0]
    broken = [test for test in failures.ids if test not in passed]
    if broken:
        print("test: failed both times:", *broken, sep="\n  ")
    if passed:
        print("test: passed only in the second try, which is a bug to be mended too:", *passed, sep="\n  ")
    return code if broken else 0


def run_with_parts(arguments: Sequence[str]) -> int:
    """Run all at once where the parts are in the cache; else those first that need none, while the others are built."""
    with subprocess.Popen(["nice", "-n", "15", sys.executable, "-m", "testbed", "all"]) as parts:
        with suppress(subprocess.TimeoutExpired):
            parts.wait(CACHED_WITHIN_SECONDS)
        if parts.returncode == 0:
            return run_twice(arguments)
        print("test: parts are being built; the tests that need none run meanwhile", flush=True)
        code = subprocess.call([sys.executable, "-m", "tests", *arguments, "-m", "not real"])
        if parts.wait() != 0:
            return parts.returncode
    return run_twice([*arguments, "-m", "real"]) or code


if __name__ == "__main__":
    given = sys.argv[1:]
    run = run_with_parts if "--parts" in given else run_twice
    sys.exit(run([argument for argument in given if argument != "--parts"]))
