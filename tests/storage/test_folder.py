"""A folder as an object storage."""

from datetime import timedelta
from pathlib import Path

import pytest

from dialplane.storage.errors import ObjectMissing, StorageError, StorageRefused
from dialplane.storage.object_storage import ObjectStorage

NAME = "town-hall-1/2026/04/03/picture.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ob jects"


@pytest.fixture
def storage(folder: Path) -> ObjectStorage:
    return ObjectStorage.open(folder.as_uri())


async def test_an_object_is_there_until_it_is_deleted(storage: ObjectStorage, folder: Path) -> None:
    await storage.put(NAME, b"one", "image/jpeg")
    await storage.put(NAME, b"another", "image/jpeg")
    assert await storage.get(NAME) == b"another"
    assert (folder / NAME).read_bytes() == b"another"
    assert folder.stat().st_mode & 0o777 == 0o700
    await storage.delete([NAME, NAME, "town-hall-1/never"])
    with pytest.raises(ObjectMissing):
        await storage.get(NAME)
    assert await storage.presigned(NAME, timedelta(hours=1)) is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["", "a", "/etc/passwd", "a/../b", "a/./b", "a/..", "../b", "a//b", "a/b/", "a/\0", "a/.b", "a/" + "b" * 254],
)
async def test_no_name_leads_out_of_the_folder(storage: ObjectStorage, name: str) -> None:
    for attempt in (storage.put(name, b"", "image/png"), storage.get(name), storage.delete([name])):
        with pytest.raises(StorageRefused, match="segments"):
            await attempt


async def test_a_folder_may_be_there_later(folder: Path) -> None:
    folder.write_text("a file")
    storage = ObjectStorage.open(folder.as_uri())
    with pytest.raises(StorageError):
        await storage.put(NAME, b"one", "image/jpeg")
    folder.unlink()
    await storage.put(NAME, b"one", "image/jpeg")
    assert await storage.get(NAME) == b"one"


async def test_a_folder_that_is_none_any_more_is_said_in_a_line(storage: ObjectStorage, folder: Path) -> None:
    await storage.put(NAME, b"one", "image/jpeg")
    await storage.delete([NAME])
    folder.rmdir()
    folder.write_text("a file")
    with pytest.raises(StorageError) as failed:
        await storage.put(NAME, b"one", "image/jpeg")
    assert str(failed.value).startswith(f"{folder} did not store an object: ")
    assert str(failed.value).endswith("Not a directory")
    assert "\n" not in str(failed.value)
