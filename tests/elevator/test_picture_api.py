"""Uploads and addresses of pictures, as devices, people and strangers meet them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dialplane.api import limits
from dialplane.api.application import application
from dialplane.api.dependencies import Api
from dialplane.api.limits import Allowance
from dialplane.api.tokens import Tokens
from dialplane.services.elevator.pictures.check import MOST_BYTES
from dialplane.services.elevator.pictures.pictures import Pictures
from dialplane.services.elevator.pictures.spool import Spool
from dialplane.services.elevator.pictures.uploads import UploadOffers, UploadRequest, make_uploads
from dialplane.services.elevator.tables import uploads
from dialplane.services.elevator.tables.commands import Command
from dialplane.services.registry import mounts, scopes
from dialplane.storage.object_storage import ObjectStorage
from dialplane.store import Store
from tests.databases import NOW
from tests.elevator.camera import photograph
from tests.elevator.pictures_site import PUBLIC, SITE, PicturesSite
from tests.eventually import eventually

LIFT = "town-hall-1"
WHOLE = photograph()
READER, OTHER = "a-token-of-town-hall-1-for-tests", "a-token-of-another-lift-for-tests"


@pytest.fixture
def site(store: Store, tmp_path: Path) -> PicturesSite:
    return PicturesSite(store, tmp_path)


@pytest.fixture
async def pictures(site: PicturesSite) -> AsyncIterator[Pictures]:
    async with site.running() as running:
        yield running


@pytest.fixture
async def client(site: PicturesSite, pictures: Pictures) -> AsyncIterator[httpx.AsyncClient]:
    tokens = site.folder / "tokens"
    tokens.mkdir()
    (tokens / "reader").write_text(f"{READER}\ndevices:read:{LIFT}\n")
    (tokens / "other").write_text(f"{OTHER}\ndevices:read:town-hall-2\n")
    served = {"elevator": SimpleNamespace(pictures=pictures)}
    api = Api(site.store, SITE, Tokens(tokens, scopes()), mounts(), served, now=lambda: site.now)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application(api)), base_url=PUBLIC) as made:
        yield made


def ticket(site: PicturesSite, command: str = "cmd-1") -> str:
    """The address of an upload that the device was asked for."""
    made = make_uploads(site.store, SITE, site.options, [UploadRequest(command, LIFT)], now=site.now)
    return made[command]["url"]


async def test_an_upload_is_taken_once(site: PicturesSite, client: httpx.AsyncClient) -> None:
    url = ticket(site)
    assert url.startswith(f"{PUBLIC}/api/v1/devices/uploads/")
    taken = await client.put(url, content=WHOLE + b"more", headers={"Content-Type": "text/html"})
    assert (taken.status_code, taken.json()["media_type"], taken.json()["size"]) == (201, "image/jpeg", len(WHOLE))
    again = await client.put(url, content=WHOLE)
    assert again.status_code == 403
    assert again.headers["content-type"] == "application/problem+json"
    [kept] = await eventually(site.kept)
    assert (kept.command, (site.objects / kept.object).read_bytes()) == ("cmd-1", WHOLE)


async def test_of_many_who_try_one_ticket_one_succeeds(site: PicturesSite, client: httpx.AsyncClient) -> None:
    url = ticket(site)
    answers = await asyncio.gather(*(client.put(url, content=WHOLE) for _ in range(6)))
    assert [each.status_code for each in answers].count(201) == 1
    assert {each.status_code for each in answers} <= {201, 403, 429}
    await eventually(site.kept)
    assert len(site.kept()) == 1


async def test_a_ticket_that_is_wrong_or_too_old_opens_nothing(site: PicturesSite, client: httpx.AsyncClient) -> None:
    url = ticket(site)
    assert (await client.put(url[:-1] + ("A" if url[-1] != "A" else "B"), content=WHOLE)).status_code == 403
    assert (await client.put(f"{url}A", content=WHOLE)).status_code == 422
    assert (await client.post(url, content=WHOLE)).status_code == 401
    assert (await client.get(url)).status_code == 401
    site.now = NOW + timedelta(minutes=5)
    assert (await client.put(url, content=WHOLE)).status_code == 403
    assert uploads.prune(site.store, SITE, now=site.now) == 1


async def test_what_is_too_large_is_not_read_and_leaves_the_ticket_good(
    site: PicturesSite, client: httpx.AsyncClient
) -> None:
    url = ticket(site)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"\0" * 65_536

    assert (await client.put(url, content=b"\0" * (MOST_BYTES + 1))).status_code == 413
    assert (await client.put(url, content=endless())).status_code == 413
    assert (await client.put(url, content=WHOLE)).status_code == 201


async def test_a_body_that_comes_too_slowly_is_given_up(
    site: PicturesSite, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(self: limits.Allowances, method: str, path: str) -> Allowance:
        del self, method, path
        return Allowance(body=MOST_BYTES, body_seconds=0.05, seconds=20, streamed=True)

    monkeypatch.setattr(limits.Allowances, "of", hurried)
    url = ticket(site)

    async def stalled() -> AsyncIterator[bytes]:
        yield WHOLE[:100]
        await asyncio.sleep(20)

    assert (await client.put(url, content=stalled())).status_code == 408
    assert (await client.put(url, content=WHOLE)).status_code == 201


async def test_what_is_no_picture_uses_the_ticket_up_and_says_why(
    site: PicturesSite, client: httpx.AsyncClient
) -> None:
    url = ticket(site)
    refused = await client.put(url, content=WHOLE[:-2])
    assert refused.status_code == 422
    assert refused.json()["detail"] == "the picture is not kept: the JPEG ends too early"
    assert (await client.put(url, content=WHOLE)).status_code == 403


async def test_where_there_is_no_room_the_ticket_stays_good(
    site: PicturesSite, client: httpx.AsyncClient, pictures: Pictures
) -> None:
    url = ticket(site)
    roomy, pictures._spool = pictures._spool, Spool(site.folder / "full", most_bytes=10)
    full = await client.put(url, content=WHOLE)
    assert (full.status_code, full.headers["retry-after"]) == (503, "10")
    pictures._spool = roomy
    assert (await client.put(url, content=WHOLE)).status_code == 201


async def test_a_device_is_asked_to_upload_only_where_it_could(site: PicturesSite) -> None:
    asked = [UploadRequest("cmd-1", LIFT)]
    assert not make_uploads(site.store, SITE, type(site.options)(), asked, now=NOW)
    assert not make_uploads(site.store, SITE, type(site.options)(site.options.url), asked, now=NOW)


async def test_a_command_that_asks_for_a_picture_says_where_to_upload_it(site: PicturesSite) -> None:
    def asked(number: int, name: str, data: Any) -> Command:
        deadline = NOW + timedelta(minutes=1)
        return Command(LIFT, name, False, data, "office", f"key-{number}", deadline, id=f"cmd-{number}")

    uploads_too = frozenset({"ack", "upload"})
    claimed = [
        (asked(0, "SNAPSHOT", None), uploads_too),
        (asked(1, "SNAPSHOT", {"camera": 2}), uploads_too),
        (asked(2, "SNAPSHOT", "camera 2"), uploads_too),
        (asked(3, "SNAPSHOT", {"camera": 2}), frozenset({"ack"})),
        (asked(4, "REBOOT", {"now": True}), uploads_too),
    ]
    first, second, *others = await UploadOffers(site.store, SITE, site.options, now=lambda: NOW)(claimed)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert second["camera"] == 2
    assert first["upload"]["url"] != second["upload"]["url"]
    assert first["upload"]["expires"] == "2026-04-03T08:35:00+00:00"
    assert others == ["camera 2", {"camera": 2}, {"now": True}]


async def test_a_signed_address_shows_its_picture_to_anybody_and_harmlessly(
    site: PicturesSite, client: httpx.AsyncClient, pictures: Pictures
) -> None:
    await pictures.take(LIFT, WHOLE)
    [kept] = await eventually(site.kept)
    url = await pictures.addresses.signed(kept.object)
    assert url.startswith(f"{PUBLIC}/api/v1/devices/pictures/{kept.object}?expires=")
    shown = await client.get(url)
    assert (shown.status_code, shown.content) == (200, WHOLE)
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-disposition"] == f'inline; filename="{kept.object.rpartition("/")[2]}"'
    assert "sandbox" in shown.headers["content-security-policy"]
    site.now = NOW + timedelta(days=8)
    assert (await client.get(url)).status_code == 403


async def test_an_address_that_was_changed_shows_nothing(
    site: PicturesSite, client: httpx.AsyncClient, pictures: Pictures
) -> None:
    await pictures.take(LIFT, WHOLE)
    await pictures.take("town-hall-2", WHOLE)
    [kept], [other] = await eventually(site.kept), await eventually(lambda: site.kept("town-hall-2"))
    url = await pictures.addresses.signed(kept.object)
    query = urlsplit(url).query
    elsewhere = Pictures(site.store, "factory", site.options, None, now=lambda: NOW)
    foreign = urlsplit(await elsewhere.addresses.signed(kept.object)).query
    expires = int(query.removeprefix("expires=").partition("&")[0])
    for changed in (
        url.replace(kept.object, other.object),
        url.replace(str(expires), str(expires + 1)),
        url.replace(query, foreign),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
    ):
        assert (await client.get(changed)).status_code == 403, changed
    assert (await client.get(url.partition("?")[0])).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "town-hall-1/2026/04/03/..%2f..%2f..%2f..%2fstore.db",
        "..%2f..%2fstore.db/2026/04/03/083000-0123456789abcdef0123.jpg",
        "town-hall-1/2026/04/03/083000-0123456789abcdef0123.jpg%00",
        "town-hall-1/2026/04/%2e%2e/083000-0123456789abcdef0123.jpg",
        "%2fetc/2026/04/03/passwd",
    ],
)
async def test_no_address_leads_out_of_the_pictures(client: httpx.AsyncClient, path: str) -> None:
    asked = f"{PUBLIC}/api/v1/devices/pictures/{path}?expires=9999999999&signature={'0' * 64}"
    assert (await client.get(asked)).status_code in {401, 403, 404, 422}


async def test_the_lasting_address_asks_for_a_token_of_the_device(
    site: PicturesSite, client: httpx.AsyncClient, pictures: Pictures
) -> None:
    await pictures.take(LIFT, WHOLE)
    [kept] = await eventually(site.kept)
    url = pictures.addresses.lasting(kept)

    async def status(token: str, at: str = url) -> int:
        return (await client.get(at, headers={"Authorization": f"Bearer {token}"})).status_code

    assert (await client.get(url)).status_code == 401
    assert await status(OTHER) == 403
    assert await status(READER) == 200
    assert await status(READER, f"{url}9") == 404
    (site.objects / kept.object).unlink()
    assert await status(READER) == 404


async def test_while_the_storage_is_away_it_says_so(
    site: PicturesSite, client: httpx.AsyncClient, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pictures.take(LIFT, WHOLE)
    [kept] = await eventually(site.kept)
    nobody = {
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
        "ENDPOINT_URL": "http://127.0.0.1:9",
        "ALLOW_HTTP": "1",
    }
    for name, value in nobody.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    pictures._storage = ObjectStorage.open("s3://pictures")
    answer = await client.get(pictures.addresses.lasting(kept), headers={"Authorization": f"Bearer {READER}"})
    assert answer.status_code == 503
    assert "s3" not in answer.text
