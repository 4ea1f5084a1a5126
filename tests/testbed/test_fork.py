"""A forked process is a process: it has an environment and output of its own, ends by signals, and says how it ended."""

import os
import random
import signal
import sys
import time
from pathlib import Path

from testbed import fork
from testbed.process import Child
from tests.eventually import eventually


def tell(words: list[str]) -> None:
    about = (os.environ["COLOUR"], os.environ.get("HOME"), Path.cwd().name, *words, random.random())  # noqa: S311
    print(*about, flush=True)  # noqa: T201 -- what the test reads
    sys.exit(3)


def sleep(_: list[str]) -> None:
    print("sleeps", flush=True)  # noqa: T201 -- likewise
    time.sleep(60)


async def begin(function: str, folder: Path, *words: str, name: str = "log") -> Child:
    entry, output = f"tests.testbed.test_fork:{function}", folder / name
    return await fork.child("probe", entry, words, output=output, env={"COLOUR": "red"}, cwd=folder)


async def test_it_has_its_own_environment_directory_output_and_chance(tmp_path: Path) -> None:
    children = [await begin("tell", tmp_path, "a", "b", name=name) for name in ("one", "two")]
    assert [await child.wait(10) for child in children] == [3, 3]
    first, second = (child.output.read_text().split() for child in children)
    assert first[:5] == ["red", os.environ["HOME"], tmp_path.name, "a", "b"]
    assert first[:5] == second[:5]
    assert first[5] != second[5]
    assert "COLOUR" not in os.environ


async def test_it_is_stopped_and_killed_with_its_session(tmp_path: Path) -> None:
    for how, limit in ((signal.SIGTERM, 10), (signal.SIGKILL, 0)):
        child = await begin("sleep", tmp_path)
        assert child.running
        assert os.getpgid(child.pid) == child.pid
        await eventually(lambda child=child: "sleeps" in child.output.read_text())
        assert await child.stop(limit_seconds=limit) == -how
        assert not child.running


async def test_a_traceback_is_in_its_output(tmp_path: Path) -> None:
    child = await begin("nothing", tmp_path)
    assert await child.wait(10) == 1
    assert "AttributeError" in child.output.read_text()
