"""A bucket that cannot be reached: soon an error of one line, which says why."""

import socket
from datetime import timedelta

import pytest

from dialplane.storage import object_storage
from dialplane.storage.errors import StorageUnavailable
from dialplane.storage.object_storage import ObjectStorage

SECRET = "the-secret-of-the-bucket"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setattr(object_storage, "REQUEST", timedelta(seconds=0.3))
    return monkeypatch


async def refused(endpoint: str, environment: pytest.MonkeyPatch) -> str:
    environment.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StorageUnavailable) as failed:
        await ObjectStorage.open("s3://lifts").put("town-hall-1/picture.jpg", b"", "image/jpeg")
    assert SECRET not in str(failed.value)
    return str(failed.value)


async def test_nobody_listens(environment: pytest.MonkeyPatch) -> None:
    assert await refused(CLOSED, environment) == "s3://lifts did not store an object: Connection refused"


async def test_nobody_answers(environment: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert await refused(address, environment) == "s3://lifts did not store an object: Timeout"


async def test_http_is_spoken_only_where_the_environment_allows_it(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_ALLOW_HTTP")
    assert "Connection refused" not in await refused(CLOSED, environment)
