"""`make up` as a person at a terminal has it: one command, a real Asterisk, nothing left behind."""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from testbed import cache
from testbed.process import die_with_parent
from tests.eventually import eventually
from tests.system.doors import ROOT

pytestmark = pytest.mark.xdist_group("door-standalone")

MARK = "DIALPLANE_TEST_RUN"
OFFICE, CALL_CENTER = ROOT / "examples/office", ROOT / "examples/call-center"
ELEVATORS, VOICE_BOT = ROOT / "examples/elevators", ROOT / "examples/voice-bot"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """The example listens at SIP's own port: one at a time on this machine."""
    with (cache.root() / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class Up:
    """One run of `python -m testbed up`; `mark` is in the environment of whatever it starts."""

    directory: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    async def start(self, site: Path, *arguments: str) -> asyncio.subprocess.Process:
        with (self.directory / "output").open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "testbed", "up", str(site), *arguments),
                cwd=ROOT,
                env={**os.environ, MARK: self.mark},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )

    @property
    def output(self) -> str:
        return (self.directory / "output").read_text(errors="replace")

    def left(self) -> list[str]:
        """The command lines of processes of this run that live."""
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with suppress(OSError):
                    if f"{MARK}={self.mark}".encode() in (process / "environ").read_bytes():
                        found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    async def until(self, text: str, process: asyncio.subprocess.Process) -> None:
        async with asyncio.timeout(60):
            while text not in self.output:
                assert process.returncode is None, self.output
                await asyncio.sleep(0.1)


@pytest.fixture
def run(tmp_path: Path) -> Up:
    return Up(tmp_path)


@pytest.mark.parametrize("site", [OFFICE, CALL_CENTER, VOICE_BOT], ids=["office", "call-center", "voice-bot"])
async def test_once_ends_well_when_all_is_ready(run: Up, site: Path) -> None:
    """A bot is Ready once it has heard itself through Asterisk, by the account and the port that its site names."""
    process = await run.start(site, "--once")
    assert await asyncio.wait_for(process.wait(), 60) == 0, run.output
    assert "all resources are Ready" in run.output
    assert run.left() == []


async def test_a_site_that_records_its_calls_is_ready(run: Up, tmp_path: Path) -> None:
    """It needs the account of call control, by which Asterisk is made to prove it."""
    site = tmp_path / "site"
    shutil.copytree(OFFICE, site)
    for name, above, more in (
        ("asterisk.yaml", "spec:", f"  recording: {{path: {tmp_path / 'recordings'}}}"),
        ("phones.yaml", "  displayName: Front door", "  record: always"),
    ):
        text = (site / name).read_text()
        (site / name).write_text(text.replace(above, f"{above}\n{more}", 1))
    process = await run.start(site, "--once", "--timeout", "30")
    assert await asyncio.wait_for(process.wait(), 60) == 0, run.output
    assert "proof=written" in run.output


async def test_lifts_connect_and_their_telephones_make_a_test_call(run: Up, tmp_path: Path) -> None:
    site = shutil.copytree(ELEVATORS, tmp_path / "elevators")  # never run before: what is so already is no news
    process = await run.start(site, "--plain")
    for lift in ("town-hall-1", "town-hall-2"):
        for condition in ("Online", "TestCallCurrent", "PhoneReachable"):
            await run.until(f"resource=ElevatorDevice/{lift} type={condition} status=True", process)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 20) == 0, run.output
    assert run.left() == []
    assert "example-token-of" not in run.output


async def test_once_on_a_broken_site_names_the_reasons(run: Up, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(OFFICE, site)
    secrets = (site / "secrets.yaml").read_text()
    (site / "secrets.yaml").write_text(secrets.replace("phone-103", "phone-103-misspelt"))
    process = await run.start(site, "--once", "--timeout", "10")
    assert await asyncio.wait_for(process.wait(), 60) == 1, run.output
    (reason,) = [line for line in run.output.splitlines() if line.startswith("Extension/")]
    assert reason.startswith("Extension/workshop: SecretMissing: ")
    assert "phone-103" in reason
    assert "Traceback" not in run.output
    assert run.left() == []


async def test_once_on_a_site_that_is_no_yaml_names_file_and_line(run: Up, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(OFFICE, site)
    (site / "phones.yaml").write_text("kind: [\n")
    process = await run.start(site, "--once")
    assert await asyncio.wait_for(process.wait(), 60) == 1, run.output
    assert "phones.yaml:" in run.output
    assert "Traceback" not in run.output
    assert run.left() == []


@pytest.mark.parametrize(
    ("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)], ids=["terminal", "kill"]
)
async def test_a_signal_ends_it_and_leaves_nothing(run: Up, number: signal.Signals, *, whole_group: bool) -> None:
    """A terminal's Ctrl-C goes to every process of the foreground; `kill` to one."""
    process = await run.start(OFFICE)
    await run.until("pass done", process)
    # Asterisk is in a session of its own, so that the terminal's signal does not reach it.
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    controller = next(int(c) for c in children if b"dialplane.cli" in Path(f"/proc/{c}/cmdline").read_bytes())
    for pid in (process.pid, controller) if whole_group else (process.pid,):
        os.kill(pid, number)
    assert await asyncio.wait_for(process.wait(), 20) == 0, run.output
    assert run.left() == []
    assert "Traceback" not in run.output


async def test_an_annotation_restarts_its_asterisk_and_a_killed_run_leaves_nothing(run: Up, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(OFFICE, site)
    process = await run.start(site, "--plain")
    await run.until("pass done", process)
    (file,) = [path for path in site.glob("*.yaml") if "\nkind: Asterisk\n" in path.read_text()]
    manifest = file.read_text()
    annotated = 'metadata:\n  annotations: {dialplane.io/restartedAt: "now"}\n'
    head, rest = manifest.split("kind: Asterisk\nmetadata:\n", 1)
    file.write_text(f"{head}kind: Asterisk\n{annotated}{rest}")
    await run.until("phase=Restarted", process)
    assert "up: restarting Asterisk" in run.output
    process.kill()
    await process.wait()
    await eventually(lambda: not run.left(), within=10, why=run.left)
