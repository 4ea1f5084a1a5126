"""A folder on a file system of its own: full, read-only, replaced. Run by `test_directory_mounts.py`.

It mounts, so it runs in a mount namespace of its own, which ends with it.
"""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dialplane.reconcile.config_dir import TEMPORARY
from dialplane.reconcile.place import MEMORY
from dialplane.services.recordings.service import RecordingService, Timing
from tests.reconcile.site_rig import Rig, extension, extensions


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, timeout=10)


def small(path: Path) -> None:
    """An empty file system of one megabyte there."""
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.conf")}


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[Rig]:
    """101 and 102, verified, on a small file system."""
    async with Rig(directory) as rig:
        seed = contents(rig.config)
        small(rig.config)
        try:
            for name, content in seed.items():
                (rig.config / name).write_bytes(content)
            rig.put(rig.pbx(), *extensions([101, 102]))
            rig.run()
            await rig.settled()
            yield rig
        finally:
            await rig.end()
            while rig.config.is_mount():
                subprocess.run(["umount", "--lazy", rig.config], check=True, timeout=10)


async def unusable(rig: Rig, name: str, why: str) -> None:
    await rig.until(lambda: rig.says(name, "ConfigDirectoryUnusable"))
    assert why in str(rig.ready(name)), rig.ready(name)


async def test_a_full_disk(tmp_path: Path) -> None:
    async with site(tmp_path) as rig:
        before = contents(rig.config)
        filler = rig.config / "filler"
        room = os.statvfs(rig.config)
        filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize))
        rig.put(extension("101", displayName="New New"), *extensions(range(110, 150)))
        await unusable(rig, "e101", "full")
        assert contents(rig.config) == before, "a torn file"
        assert await rig.registers("102", "secret-102")
        await rig.rerun()  # a new process finds it no better
        await unusable(rig, "e101", "")
        assert contents(rig.config) == before
        filler.unlink()
        await rig.until(lambda: rig.says("e101", "Verified") and rig.says("e149", "Verified"), 20)
        assert not list(rig.config.rglob(f"*{TEMPORARY}"))
        assert "New New" in await rig.asterisk.console("pjsip show endpoint 101")


async def test_a_disk_that_has_room_for_the_notes_and_not_for_the_files(tmp_path: Path) -> None:
    async with site(tmp_path) as rig:
        before = contents(rig.config)
        filler = rig.config / "filler"
        room = os.statvfs(rig.config)
        filler.write_bytes(b"x" * (room.f_bavail * room.f_frsize - 5 * 4096))
        rig.put(*extensions(range(110, 190)))
        await unusable(rig, "e110", "")
        now = contents(rig.config)
        assert now.keys() == before.keys()
        assert all(text == before[name] or text.endswith(b"\n") for name, text in now.items())
        filler.unlink()
        await rig.until(lambda: rig.says("e189", "Verified"), 20)
        assert not list(rig.config.rglob(f"*{TEMPORARY}"))
        assert await rig.endpoints() == {str(n) for n in (101, 102, *range(110, 190))}


async def test_a_read_only_file_system(tmp_path: Path) -> None:
    async with site(tmp_path) as rig:
        before = contents(rig.config)
        mount("--bind", rig.config, rig.config)  # on top: files that are open keep the one below busy
        mount("-o", "remount,bind,ro", rig.config)
        rig.put(extension("101", displayName="New"))
        await unusable(rig, "e101", "Read-only")
        assert contents(rig.config) == before
        await rig.rerun()
        await unusable(rig, "e101", "Read-only")
        assert await rig.registers("102", "secret-102")
        subprocess.run(["umount", rig.config], check=True, timeout=10)
        await rig.until(lambda: rig.says("e101", "Verified"), 20)
        assert '"New"' in await rig.asterisk.console("pjsip show endpoint 101")


async def test_another_volume_in_its_place(tmp_path: Path) -> None:
    """Empty, with inode numbers that begin anew: neither the files nor the memory are the ones that were written."""
    async with site(tmp_path) as rig:
        before = contents(rig.config)
        small(rig.config)
        await rig.until(lambda: contents(rig.config) == before and (rig.config / MEMORY).exists())
        await rig.settled()
        rig.put(extension("101", displayName="New"))
        await rig.until(lambda: rig.says("e101", "Verified"))
        await rig.restart()
        await rig.settled()
        assert '"New"' in await rig.asterisk.console("pjsip show endpoint 101")
        assert (rig.config / MEMORY).stat().st_size > 0


async def test_recordings_that_find_no_room(tmp_path: Path) -> None:
    """Of a disk on which files can be made, and not filled, and of one that takes none."""
    timing = Timing(proof=0.3, again=0.3)
    rig = Rig(tmp_path, services=lambda: (RecordingService(timing),))
    folder = tmp_path / "recordings"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", folder)
    async with rig:
        rig.put(rig.pbx(recording={"path": str(folder)}), extension("101", record="always"))
        rig.run()
        await rig.until(lambda: rig.says("e101", "Verified"))
        filler = folder / "filler"
        filler.write_bytes(b"x" * (5 * 1024 * 1024 // 2))
        await rig.until(lambda: rig.says("e101", "RecordingFailed"))
        assert f"no room for recordings in {folder}" in str(rig.ready("e101"))
        filler.unlink()
        await rig.until(lambda: rig.says("e101", "Verified"))
        mount("-o", "remount,ro", folder)
        await rig.until(lambda: rig.says("e101", "RecordingFailed"))
        assert f"cannot write recordings to {folder}" in str(rig.ready("e101"))
