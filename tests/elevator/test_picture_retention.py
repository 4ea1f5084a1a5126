"""Old pictures go, and pictures beyond a device's number: objects and rows."""

from datetime import timedelta
from pathlib import Path

import pytest

from dialplane.services.elevator.pictures import retention
from dialplane.services.elevator.pictures.retention import PictureLimit
from dialplane.services.elevator.tables import snapshots
from dialplane.services.elevator.tables.callbacks import NewCallback
from dialplane.services.elevator.tables.snapshots import NewSnapshot
from dialplane.storage.errors import StorageError
from dialplane.storage.object_storage import ObjectStorage
from dialplane.store import Store
from tests.databases import NOW
from tests.elevator.pictures_site import SITE, PicturesSite


@pytest.fixture
def site(store: Store, tmp_path: Path) -> PicturesSite:
    return PicturesSite(store, tmp_path)


async def put(site: PicturesSite, device: str, *days_ago: int) -> None:
    storage = ObjectStorage.open(site.options.url)
    for number, days in enumerate(days_ago):
        taken_at = NOW - timedelta(days=days)
        name = f"{device}/{taken_at:%Y/%m/%d}/{number}.jpg"
        await storage.put(name, b"picture", "image/jpeg")
        snapshot = NewSnapshot(device, name, "image/jpeg", 7, taken_at)
        snapshots.add(site.store, SITE, snapshot, NewCallback(device, "snapshot", {}), now=taken_at)


def left(site: PicturesSite, device: str) -> list[int]:
    """How many days ago the pictures were taken that are left, in the table and as objects."""
    rows = [(NOW - each.taken_at).days for each in site.kept(device)]
    objects = list((site.objects / device).rglob("*.jpg")) if (site.objects / device).exists() else []
    assert sorted(str(file.relative_to(site.objects)) for file in objects) == sorted(
        each.object for each in site.kept(device)
    )
    return rows


@pytest.mark.databases
async def test_pictures_go_by_age_and_by_number(site: PicturesSite) -> None:
    await put(site, "old", 40, 31, 29, 1)
    await put(site, "many", 5, 4, 3, 2, 1)
    await put(site, "few", 5, 4)
    await put(site, "gone", 31, 1)
    limits = {"old": PictureLimit(30, 100), "many": PictureLimit(30, 2), "few": PictureLimit(30, 2)}
    assert await site.pictures().prune(limits) == 2 + 3 + 1
    assert left(site, "old") == [1, 29]
    assert left(site, "many") == [1, 2]
    assert left(site, "few") == [4, 5]
    assert left(site, "gone") == [1]
    assert await site.pictures().prune(limits) == 0


async def test_more_than_a_batch_goes(site: PicturesSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    await put(site, "many", 5, 4, 3, 2, 1)
    assert await site.pictures().prune({"many": PictureLimit(1, 1)}) == 4
    assert left(site, "many") == [1]


async def test_a_row_outlives_its_object_and_not_the_reverse(site: PicturesSite) -> None:
    await put(site, "old", 40)
    pictures = site.pictures()
    site.objects.rename(site.folder / "elsewhere")
    site.objects.write_text("no folder any more")
    with pytest.raises(StorageError):
        await pictures.prune({})
    assert len(site.kept("old")) == 1
    site.objects.unlink()
    (site.folder / "elsewhere").rename(site.objects)
    assert await pictures.prune({}) == 1
    assert left(site, "old") == []
