"""Recordings on a real Asterisk: proven before they are needed, deleted when they are old."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from dialplane.resources.key import Key
from dialplane.services.recordings.service import RecordingService, Timing
from tests.reconcile.site_rig import FAST, Rig, extension

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = Timing(proof=0.2, again=0.2, sweep=0.2)
PBX, E101, E102 = Key("Asterisk", "pbx"), Key("Extension", "e101"), Key("Extension", "e102")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    directory = tmp_path_factory.mktemp("recordings")
    timing = replace(FAST, lost_grace=5.0)
    async with Rig(directory, timing=timing, services=lambda: (RecordingService(QUICK),)) as rig:
        yield rig


@pytest.fixture
def folder(asterisk: Rig) -> Path:
    """Where Asterisk is to record: not there yet, as on a new machine."""
    return asterisk.directory / "spool" / "recordings"


@pytest_asyncio.fixture(loop_scope="module")
async def rig(asterisk: Rig, folder: Path) -> AsyncIterator[Rig]:
    asterisk.sink.history.clear()
    yield asterisk
    await asterisk.end()
    asterisk.source.manifests.clear()
    shutil.rmtree(folder.parent, ignore_errors=True)


def site(rig: Rig, folder: Path, **recording: object) -> None:
    """101 is recorded, 102 is not."""
    rig.put(rig.pbx(recording={"path": str(folder), **recording}))
    rig.put(extension("101", record="always"), extension("102"))


def block(folder: Path) -> None:
    """Nobody can make a folder there, not even root."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no folder")


async def test_an_extension_is_ready_only_once_asterisk_has_written_a_recording(rig: Rig, folder: Path) -> None:
    block(folder)
    site(rig, folder)
    rig.run()
    await rig.until(lambda: rig.says("e101", "RecordingFailed") and rig.says("e102", "Verified"))
    assert f"Asterisk cannot write recordings to {folder}" in str(rig.ready("e101"))
    assert rig.says("pbx", "RecordingFailed", "Asterisk")
    assert "True" not in {status for _, status, _ in rig.sink.every(E101)}, "ready before it was proven"
    folder.unlink()
    await rig.until(lambda: rig.says("e101", "Verified") and rig.says("pbx", "Verified", "Asterisk"))


async def test_a_folder_that_is_lost_later_is_noticed_before_the_next_call(rig: Rig, folder: Path) -> None:
    site(rig, folder)
    rig.run()
    await rig.until(lambda: rig.says("e101", "Verified"))
    block(folder)
    await rig.until(lambda: rig.says("e101", "RecordingFailed"))
    assert rig.says("e102", "Verified")


async def test_a_proof_leaves_no_file_and_no_call_record(rig: Rig, folder: Path) -> None:
    site(rig, folder)
    rig.run()
    await rig.until(lambda: rig.says("e101", "Verified"))
    await rig.end()
    async with asyncio.timeout(10):
        while await rig.asterisk.console("core show channels concise"):
            await asyncio.sleep(0.05)
    day = (datetime.now(UTC) + timedelta(seconds=600)).date()
    assert [str(path.relative_to(folder)) for path in folder.rglob("*")] == [str(day)]
    assert not list(rig.asterisk.settings.directories.log.glob("cdr-csv/*"))


async def test_a_restarted_controller_does_not_doubt_what_was_proven(rig: Rig, folder: Path) -> None:
    site(rig, folder)
    rig.run()
    await rig.until(lambda: rig.says("e101", "Verified"))
    await rig.rerun()
    await rig.until(lambda: rig.says("e101", "Verified"))
    assert {status for key in (PBX, E101) for _, status, _ in rig.sink.every(key)} == {"True"}


async def test_without_the_right_to_place_a_call_nothing_is_promised(rig: Rig, folder: Path) -> None:
    account = rig.asterisk.settings.controller
    rig.source.secret("weak", username=account.name, password=account.secret)
    site(rig, folder)
    rig.put(rig.pbx(recording={"path": str(folder)}, ami={"callsCredentialsSecretRef": {"name": "weak"}}))
    rig.run()
    await rig.until(lambda: rig.says("e101", "ReadBackTimeout") and rig.says("e102", "Verified"))
    assert "add originate to its write =" in str(rig.ready("e101"))
    assert account.secret not in str(rig.sink.history)


async def test_old_recordings_are_deleted_and_young_ones_stay(rig: Rig, folder: Path) -> None:
    today = datetime.now(UTC).date()
    old, young = ((folder / str(today - timedelta(days=days))) for days in (32, 29))
    for day in (old, young):
        day.mkdir(parents=True)
        (day / f"{day.name.replace('-', '')}T120000Z-102-101-1700000000.1.wav").write_bytes(b"voice")
    site(rig, folder, retentionDays=30)
    rig.run()
    await rig.until(lambda: rig.says("e101", "Verified") and not old.exists())
    assert len(list(young.iterdir())) == 1
    assert rig.says("pbx", "Verified", "Asterisk")


async def test_a_folder_that_the_controller_does_not_see_is_told(rig: Rig) -> None:
    """As if it were on another machine: the name means another folder to each of the two processes."""
    site(rig, Path("/proc/self/cwd/apart"), retentionDays=30)
    rig.run()
    await rig.until(lambda: rig.says("pbx", "RetentionFailed", "Asterisk"))
    assert "the folder is not shared" in str(rig.ready("pbx", "Asterisk"))
    assert rig.says("e101", "Verified"), "calls are recorded all the same"
