"""Pictures from a device's message to the object storage and the tables."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from dialplane.services.elevator.pictures import picture_queue
from dialplane.services.elevator.pictures import pictures as module
from dialplane.services.elevator.pictures.check import CheckedPicture, check
from dialplane.services.elevator.pictures.pictures import PictureNotTaken, Pictures
from dialplane.services.elevator.pictures.spool import Spool
from dialplane.services.elevator.pictures.structure import PictureRefused
from dialplane.services.elevator.tables import callbacks
from dialplane.services.elevator.tables.snapshots import NewSnapshot
from dialplane.storage.options import NO_STORAGE
from dialplane.store import Store
from dialplane.store.hints import Channel
from dialplane.tasks import Backoff
from tests.databases import NOW
from tests.elevator.camera import photograph
from tests.elevator.pictures_site import SITE, PicturesSite
from tests.eventually import eventually

LIFT = "town-hall-1"
WHOLE = photograph()
OVER_SOCKET = "data:image/png;base64," + base64.b64encode(WHOLE).decode()  # devices call it what they like


@pytest.fixture
def site(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PicturesSite:
    monkeypatch.setattr(picture_queue, "BACKOFF", Backoff(0.02, 0.02))
    monkeypatch.setattr(module, "NOTE_SECONDS", 0.02)
    return PicturesSite(store, tmp_path)


async def test_a_picture_is_stored_and_noted(site: PicturesSite) -> None:
    hint = site.hints.subscribe(Channel.DEVICES)
    async with site.running() as pictures:
        pictures.receive(LIFT, OVER_SOCKET, "cmd-1")
        [kept] = await eventually(site.kept)
        await eventually(hint.is_set)
        await eventually(lambda: site.waiting, holds=lambda waiting: not waiting)
    assert kept.object.startswith(f"{LIFT}/2026/04/03/083000-")
    assert (site.objects / kept.object).read_bytes() == WHOLE
    assert (kept.media_type, kept.size, kept.taken_at, kept.command) == ("image/jpeg", len(WHOLE), NOW, "cmd-1")
    [entry] = site.noted()
    assert entry.data == {"object": kept.object, "size": len(WHOLE), "media_type": "image/jpeg", "command": "cmd-1"}
    [head] = callbacks.heads(site.store, SITE, now=NOW)
    callback = callbacks.get(site.store, head.seq)
    assert callback is not None
    assert (callback.device, callback.type) == (LIFT, "snapshot")
    assert callback.body == {
        "device_id": LIFT,
        "url": await site.pictures().addresses.signed(kept.object),
        "timestamp": "2026-04-03T08:30:00Z",
    }


async def test_what_is_no_picture_is_noted_once_a_moment_and_not_kept(site: PicturesSite) -> None:
    async with site.running() as pictures:
        pictures.receive(LIFT, "bm8gcGljdHVyZQ==")
        [entry] = await eventually(site.noted)
        pictures.receive("town-hall-2", "?")
        await eventually(lambda: site.noted("town-hall-2"))
    assert entry.data == {"refused": "it is neither JPEG nor PNG"}
    assert site.kept() == ()
    assert site.waiting == []


async def test_what_nobody_foresaw_costs_one_picture_and_not_the_process(
    site: PicturesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = iter([None, check])

    def fail_once(data: bytes) -> CheckedPicture:
        real = next(checks)
        if real is None:
            raise IndexError("of hostile bytes")
        return real(data)

    monkeypatch.setattr(module, "check", fail_once)
    async with site.running() as pictures:
        pictures.receive("town-hall-2", OVER_SOCKET)
        await eventually(lambda: site.noted("town-hall-2"))
        pictures.receive(LIFT, OVER_SOCKET)
        await eventually(site.kept)


async def test_of_one_device_one_picture_is_in_work_and_of_all_sixteen(site: PicturesSite) -> None:
    pictures = site.pictures()  # nothing works on them yet
    for number in range(2 * module.AT_ONCE):
        pictures.receive(f"lift-{number // 2}", OVER_SOCKET)
    for number in range(3):
        pictures.receive(f"late-{number}", OVER_SOCKET)
    with pytest.raises(PictureNotTaken, match="too many"):
        await pictures.take("another", WHOLE)
    assert pictures._received.qsize() == module.AT_ONCE


async def test_while_the_storage_is_away_pictures_wait_and_none_is_lost(site: PicturesSite) -> None:
    async with site.running() as pictures:
        site.objects.write_text("no folder any more")
        taken = []
        for number in range(6):
            site.now = NOW + timedelta(seconds=number)
            taken.append(await pictures.take(f"lift-{number}", WHOLE))
    assert len(site.waiting) == 6
    async with site.running() as pictures:  # a new process, and the storage is still away
        taken.append(await pictures.take("lift-6", WHOLE))
        site.objects.unlink()
        site.objects.mkdir()
        await eventually(lambda: site.waiting, holds=lambda waiting: not waiting)
    for snapshot in taken:
        assert [each.object for each in site.kept(snapshot.device)] == [snapshot.object]
        assert (site.objects / snapshot.object).read_bytes() == WHOLE


async def test_the_spool_takes_no_more_than_its_bound(site: PicturesSite) -> None:
    pictures = site.pictures()
    pictures._spool = Spool(site.folder / "spool", most_bytes=3 * len(WHOLE))
    await pictures.take("lift-0", WHOLE)
    await pictures.take("lift-1", WHOLE)
    with pytest.raises(PictureNotTaken, match="no room"):
        await pictures.take("lift-2", WHOLE)
    assert len(site.waiting) == 2


async def test_a_picture_that_was_stored_already_is_noted_once(site: PicturesSite) -> None:
    async with site.running() as pictures:
        await pictures.take(LIFT, WHOLE)
        [kept] = await eventually(site.kept)
    # Killed between the row and the spool: the next process finds the file.
    Spool(site.folder / "spool" / SITE / "pictures").add(as_new(kept), WHOLE)
    async with site.running():
        await eventually(lambda: site.waiting, holds=lambda waiting: not waiting)
    assert site.kept() == (kept,)
    assert len(site.noted()) == 1


def as_new(snapshot: NewSnapshot) -> NewSnapshot:
    return NewSnapshot(**{name: getattr(snapshot, name) for name in NewSnapshot.__dataclass_fields__})


async def test_a_damaged_file_in_the_spool_is_set_aside_and_holds_up_nothing(site: PicturesSite) -> None:
    await site.pictures().take(LIFT, WHOLE)
    await site.pictures().take("lift-2", WHOLE)
    damaged, _ = site.waiting
    damaged.write_bytes(damaged.read_bytes()[:-1])
    async with site.running():
        await eventually(lambda: site.waiting, holds=lambda waiting: [file.suffix for file in waiting] == [".broken"])
    assert len(site.kept("lift-2") + site.kept()) == 1


async def test_only_the_user_may_read_what_waits(site: PicturesSite) -> None:
    await site.pictures().take(LIFT, WHOLE)
    [file] = site.waiting
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_an_upload_that_is_no_picture_says_why(site: PicturesSite) -> None:
    pictures = site.pictures()
    with pytest.raises(PictureRefused, match="neither"):
        await pictures.take(LIFT, b"GIF89a")
    await pictures.take(LIFT, WHOLE)  # and the device is not in work any more


async def test_a_process_that_stops_takes_nothing_more(site: PicturesSite) -> None:
    async with site.running() as pictures:
        await pictures.take("another", WHOLE)
    with pytest.raises(PictureNotTaken, match="stops"):
        await pictures.take(LIFT, WHOLE)


async def test_without_a_storage_nothing_is_taken(site: PicturesSite) -> None:
    pictures = Pictures(site.store, SITE, NO_STORAGE, None)
    pictures.receive(LIFT, OVER_SOCKET)
    with pytest.raises(PictureNotTaken, match="--storage-url"):
        await pictures.take(LIFT, WHOLE)
    assert await pictures.prune({}) == 0
