"""The command that restarts Asterisk: real processes."""

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from dialplane.reconcile.ports import SupervisorError
from dialplane.standalone.restart_command import RestartCommand


def script(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "restart.sh"
    path.write_text(text)
    return ["/bin/sh", str(path)]


async def test_it_gets_no_variable_of_ours_and_its_output_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ASTERISK_AMI_PASSWORD", "DIALPLANE_GIT_PASSWORD"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("KEPT", "kept")
    await RestartCommand(script(tmp_path, f"env > {shlex.quote(str(tmp_path / 'env'))}; echo stopped; env")).restart()
    seen = (tmp_path / "env").read_text()
    assert "KEPT=kept" in seen
    assert "hunter2" not in seen
    logged = capsys.readouterr().out
    assert "stopped" in logged
    assert "hunter2" not in logged


async def test_a_failure_is_told_without_its_output(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="ended with 3") as told:
        await RestartCommand(script(tmp_path, "echo private >&2; exit 3")).restart()
    assert "private" not in str(told.value)


async def test_one_that_hangs_is_ended_and_what_it_started_goes_on(tmp_path: Path) -> None:
    started = tmp_path / "started"
    argv = script(tmp_path, f"sleep 30 & echo $! > {started}; wait")
    with pytest.raises(SupervisorError, match="did not end within 1 s"):
        await RestartCommand(argv, limit_seconds=1).restart()
    child = int(started.read_text())
    os.kill(child, 0)  # raises if it is gone
    os.kill(child, 9)


async def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    started = tmp_path / "started"
    before = time.monotonic()
    await RestartCommand(script(tmp_path, f"sleep 30 & echo $! > {started}"), limit_seconds=20).restart()
    assert time.monotonic() - before < 15
    os.kill(int(started.read_text()), 9)


CONTROLLER = """
import asyncio, sys
from dialplane.standalone.restart_command import RestartCommand

async def main():
    restart = asyncio.create_task(RestartCommand(sys.argv[1:]).restart())
    await asyncio.sleep(0.5)
    restart.cancel()
    await asyncio.gather(restart, return_exceptions=True)

asyncio.run(main())
"""


async def test_the_end_of_the_controller_does_not_end_it(tmp_path: Path) -> None:
    done, ended = tmp_path / "done", tmp_path / "ended"
    argv = script(tmp_path, f"while [ ! -e {ended} ]; do sleep 0.1; done; touch {done}")
    controller = await asyncio.create_subprocess_exec(sys.executable, "-c", CONTROLLER, *argv)
    assert await asyncio.wait_for(controller.wait(), 20) == 0
    ended.touch()
    async with asyncio.timeout(20):
        while not done.exists():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("there", [True, False])
async def test_a_program_that_is_not_there_is_told_beforehand(tmp_path: Path, *, there: bool) -> None:
    command = RestartCommand(script(tmp_path, "true") if there else [str(tmp_path / "systemctl"), "restart"])
    if there:
        await command.check()
        return
    with pytest.raises(SupervisorError, match="there is no program"):
        await command.check()
    with pytest.raises(SupervisorError, match="cannot be run"):
        await command.restart()
