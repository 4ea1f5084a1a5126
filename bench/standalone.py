"""The same site without Kubernetes: ``dialplane run`` on a folder, and the commands of a reviewer."""

import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import site, yardsticks
from bench.observer import Judge, NotDoneError, verified
from bench.one_change import PAUSE_SECONDS
from bench.results import Command, StandaloneSite
from bench.usage import usage
from testbed.asterisk import AsteriskInstance
from testbed.controller import start_controller
from testbed.manifests import Manifest
from testbed.ports import lease
from testbed.process import Child

_LIMIT_SECONDS = 300
_LOOK_SECONDS = 0.005
_FINE, _DIFFERS = 0, 1


@dataclass(frozen=True)
class Folder:
    """A site as files: one for the PBX, one for each phone with its Secret."""

    path: Path

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return sorted(self.path.glob("*.yaml"))

    def write(self, name: str, *manifests: Manifest) -> None:
        """Write one file, as an editor does: beside it, then in its place."""
        file = self.path / f"{name}.yaml"
        new = file.with_suffix(".new")
        new.write_text(yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, sort_keys=False))
        new.replace(file)

    def delete(self, name: str) -> None:
        """Delete one file."""
        (self.path / f"{name}.yaml").unlink()

    def edit(self, index: int, serial: int) -> None:
        """Change one phone."""
        self.write(site.name(index), site.extension(index, **site.edit(serial)), site.account(index))


def folder(path: Path, size: int, pbx: Manifest) -> Folder:
    """Write a site of so many phones."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    made = Folder(path)
    made.write("pbx", pbx)
    for index in range(size):
        made.write(site.name(index), site.extension(index), site.account(index))
    return made


@dataclass
class StatusFile:
    """What ``dialplane run`` says, read whenever the file is another."""

    path: Path
    child: Child

    def extensions(self) -> dict[str, Manifest]:
        """What it says of each Extension, by name."""
        return self.of("Extension")

    def of(self, wanted: str) -> dict[str, Manifest]:
        """What it says of each resource of a kind, by name."""
        entries = json.loads(self.path.read_bytes())["resources"]
        kinds = ((key.partition("/"), entry) for key, entry in entries.items())
        return {name: entry for (kind, _, name), entry in kinds if kind == wanted}

    async def until(self, wanted: dict[str, Manifest], what: str, judge: Judge = verified) -> float:
        """Wait until these Extensions are done with a spec that holds the given fields; return when that was seen.

        The time is that of the first look at a file that says so: reading it is not the controller's time.
        """
        end, read = time.monotonic() + _LIMIT_SECONDS, 0
        while time.monotonic() < end:
            self.child.check()
            try:
                stamp = self.path.stat().st_mtime_ns
            except FileNotFoundError:
                stamp = 0
            if stamp != read:
                at, read = time.monotonic(), stamp
                entries = await asyncio.to_thread(self.extensions)
                if all(_shows(entries.get(name), fields, judge) for name, fields in wanted.items()):
                    return at
            await asyncio.sleep(_LOOK_SECONDS)
        raise NotDoneError(f"{what}: not within {_LIMIT_SECONDS} s\n{self.child.tail(30)}")


def _shows(entry: Manifest | None, fields: Manifest, judge: Judge) -> bool:
    return entry is not None and judge(entry) == entry["generation"] and fields.items() <= entry["spec"].items()


async def measure(size: int, directory: Path, *, edits: int, limit_seconds: float) -> StandaloneSite:
    """Start on a folder, change it file by file, and take the yardsticks."""
    async with AsteriskInstance(directory / "asterisk") as asterisk, await asterisk.ami() as ami:
        made = await asyncio.to_thread(folder, directory / "site", size, site.pbx(asterisk))
        async with running(directory, made, asterisk) as (status, started):
            ready = await status.until({site.name(i): {} for i in range(size)}, "standalone start")
            used = usage(status.child.pid)
            samples = await _changes(made, status, size, edits, limit_seconds)
        return StandaloneSite(
            n=size,
            seconds=ready - started,
            cpu_seconds=used.cpu_seconds,
            peak_rss=used.peak_rss,
            samples=samples,
            reload_floor=await yardsticks.reload(asterisk, ami),
            parse_floor=yardsticks.parse_yaml(made.files),
        )


async def _changes(made: Folder, status: StatusFile, size: int, edits: int, limit_seconds: float) -> list[float]:
    chance = random.Random(size)  # noqa: S311 -- the same run every time
    end = time.monotonic() + limit_seconds
    taken = []
    for serial in range(edits):
        index = chance.randrange(size)
        before = time.monotonic()
        made.edit(index, serial)
        taken.append(await status.until({site.name(index): site.edit(serial)}, "one change by file") - before)
        if time.monotonic() > end:
            break
        await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
    return taken


@asynccontextmanager
async def running(directory: Path, made: Folder, asterisk: AsteriskInstance) -> AsyncIterator[tuple[StatusFile, float]]:
    """Run ``dialplane run`` on a folder: its status file, and when it was started (`time.monotonic`)."""
    state = directory / "state"
    with lease(1) as ports:
        started = time.monotonic()
        child = await start_controller(
            ["run", "-f", str(made.path), "--state-dir", str(state)],
            asterisk,
            output=directory / "run.log",
            metrics_port=ports.take(),
        )
        try:
            yield StatusFile(state / "status.json", child), started
        finally:
            await child.stop()


async def commands(size: int, directory: Path) -> list[Command]:
    """`render`, `validate`, and `diff` against the same folder with one phone changed."""
    pbx = site.pbx_at(5060, (10_000, 10_079))
    made = await asyncio.to_thread(folder, directory / "site", size, pbx)
    other = Folder(directory / "changed")
    await asyncio.to_thread(shutil.copytree, made.path, other.path)
    other.edit(size // 2, 0)
    floor = yardsticks.parse_yaml(made.files)
    return [
        await _command(size, floor, _FINE, "render", "-f", str(made.path), "-o", str(directory / "rendered")),
        await _command(size, floor, _FINE, "validate", "-f", str(made.path)),
        await _command(size, 2 * floor, _DIFFERS, "diff", "-f", str(other.path), "--against", str(made.path)),
    ]


async def _command(size: int, floor: float, expected: int, *arguments: str) -> Command:
    argv: Sequence[str] = [sys.executable, "-m", "dialplane.cli", *arguments]
    started = time.monotonic()
    done = await asyncio.to_thread(
        subprocess.run, argv, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
    )
    took = time.monotonic() - started
    if done.returncode != expected:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
    return Command(name=arguments[0], n=size, seconds=took, parse_floor=floor)
