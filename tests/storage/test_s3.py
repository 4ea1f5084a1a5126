"""A real S3 server that verifies signatures: OpenStack Swift."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from dialplane.storage.errors import ObjectMissing, StorageError, StorageRefused, StorageUnavailable
from dialplane.storage.object_storage import ObjectStorage
from dialplane.store import Store
from testbed.object_store import ObjectStore
from tests.elevator.camera import photograph
from tests.elevator.pictures_site import PicturesSite
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "town-hall-1/2026/04/03/picture.jpg"
WHOLE = photograph()
OTHER = "town-hall-2/2026/04/03/picture.jpg"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def swift(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ObjectStore]:
    async with ObjectStore(tmp_path_factory.mktemp("swift")) as started:
        yield started


@pytest.fixture
def environment(swift: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in swift.environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def storage(swift: ObjectStore, environment: pytest.MonkeyPatch) -> ObjectStorage:
    del environment
    return ObjectStorage.open(f"{swift.url}/site")


async def fetched(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        return await client.get(url)


async def test_an_object_is_there_until_it_is_deleted(storage: ObjectStorage) -> None:
    await storage.put(NAME, b"one", "image/jpeg")
    await storage.put(NAME, b"another", "image/jpeg")
    assert await storage.get(NAME) == b"another"
    await storage.delete([NAME, OTHER])
    with pytest.raises(ObjectMissing):
        await storage.get(NAME)


async def test_a_signed_address_shows_its_object_alone_and_for_a_while(storage: ObjectStorage) -> None:
    await storage.put(NAME, b"one", "image/jpeg")
    await storage.put(OTHER, b"other", "image/jpeg")
    url = await storage.presigned(NAME, timedelta(minutes=5))
    assert url is not None
    shown = await fetched(url)
    assert (shown.status_code, shown.content) == (200, b"one")
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["content-disposition"] == 'inline; filename="picture.jpg"'
    assert (await fetched(url.replace(NAME, OTHER))).status_code == 403
    assert (await fetched(url.replace("X-Amz-Expires=300", "X-Amz-Expires=600"))).status_code == 403
    short = await storage.presigned(NAME, timedelta(seconds=1))
    assert short is not None

    async def status() -> int:
        return (await fetched(short)).status_code

    await eventually(status, holds=lambda code: code == 403)


async def test_a_wrong_secret_is_refused_and_named_nowhere(
    swift: ObjectStore, environment: pytest.MonkeyPatch, storage: ObjectStorage
) -> None:
    await storage.put(NAME, b"one", "image/jpeg")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-at-all")
    wrong = ObjectStorage.open(f"{swift.url}/site")
    for attempt in (wrong.put(OTHER, b"", "image/png"), wrong.get(NAME), wrong.delete([NAME])):
        with pytest.raises(StorageRefused) as refused:
            await attempt
        assert str(refused.value).startswith(f"{swift.url}/site refuses to ")
        assert "\n" not in str(refused.value)
        assert not any(word in str(refused.value) for word in ("not-the-secret", swift.secret, "test:tester"))
    assert await storage.get(NAME) == b"one"
    with_wrong = await wrong.presigned(NAME, timedelta(minutes=5))
    assert with_wrong is not None
    assert (await fetched(with_wrong)).status_code == 403


async def test_a_bucket_that_is_not_there_is_an_error_of_a_line(
    environment: pytest.MonkeyPatch,
) -> None:
    del environment
    with pytest.raises(StorageError, match=r"^s3://nobodys is not there: make the bucket$") as refused:
        await ObjectStorage.open("s3://nobodys").put(NAME, b"", "image/png")
    assert "\n" not in str(refused.value)


async def test_while_the_server_is_away_pictures_wait_and_none_is_lost(
    swift: ObjectStore, storage: ObjectStorage, store: Store, tmp_path: Path
) -> None:
    site = PicturesSite(store, tmp_path, url=str(storage))
    lifts = [f"lift-{number}" for number in range(8)]
    taken = {}
    await swift.go_away()
    try:
        async with site.running() as pictures:
            for name in lifts[:4]:
                taken[name] = await pictures.take(name, WHOLE)
            with pytest.raises(StorageUnavailable, match=r"^s3://pictures/site did not read an object: "):
                await storage.get(NAME)
    finally:
        await swift.come_back()
    async with site.running() as pictures:
        for name in lifts[4:]:
            taken[name] = await pictures.take(name, WHOLE)
        await eventually(lambda: site.waiting, 60, holds=lambda waiting: not waiting)
        for name, snapshot in taken.items():
            assert [each.object for each in site.kept(name)] == [snapshot.object]
            assert await storage.get(snapshot.object) == WHOLE
        url = await pictures.addresses.signed(taken["lift-0"].object)
    assert (await fetched(url)).content == WHOLE
