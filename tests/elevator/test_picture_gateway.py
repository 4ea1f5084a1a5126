"""Pictures over a device's own connection, through a gateway as the service makes it."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialplane.services.elevator import desired
from dialplane.services.elevator.desired import Profile
from dialplane.services.elevator.pictures.payload import MOST_BYTES
from dialplane.services.elevator.tables import commands
from dialplane.services.elevator.tables.commands import NewCommand
from dialplane.store import Store
from dialplane.store.hints import replica_channel
from tests.elevator.camera import photograph
from tests.elevator.gateways import beat, gateway, hear, ready, say, view
from tests.elevator.pictures_site import PUBLIC, SITE, PicturesSite
from tests.eventually import eventually

LIFT = "town-hall-1"
PROFILE = Profile(commands={"SNAPSHOT": desired.Command(physical=False)})


@pytest.fixture
def site(store: Store, tmp_path: Path) -> PicturesSite:
    return PicturesSite(store, tmp_path)


async def test_a_device_that_is_asked_sends_its_picture_and_may_upload_it(site: PicturesSite) -> None:
    asked = NewCommand(LIFT, "SNAPSHOT", False, None, "office", "key-1", datetime.now(UTC) + timedelta(minutes=1))
    whole = photograph(320, 240)
    async with gateway(site.store, view(LIFT, profile=PROFILE), storage=site.options) as running:
        device = await running.device(LIFT)
        await say(device, "hello", capabilities=["ack", "upload"])
        await ready(running, LIFT)
        [made] = await site.store.call(commands.queue, SITE, [asked], now=datetime.now(UTC))
        await running.hints.send(replica_channel(running.context.replica))
        sent = await hear(device)
        assert sent["data"]["upload"]["url"].startswith(f"{PUBLIC}/api/v1/devices/uploads/")
        await say(device, "snapshot", device_id=LIFT, id=made.id, payload=base64.b64encode(whole).decode())
        [kept] = await eventually(site.kept)
        assert (kept.command, (site.objects / kept.object).read_bytes()) == (made.id, whole)
        await device.close()


async def test_a_picture_that_is_none_or_too_large_costs_the_device_nothing(site: PicturesSite) -> None:
    async with gateway(site.store, view(LIFT, profile=PROFILE), storage=site.options) as running:
        device = await running.device(LIFT)
        for payload in ("?", base64.b64encode(b"\xff\xd8\xff" + bytes(MOST_BYTES)).decode()):
            before = len(site.noted())
            await say(device, "snapshot", payload=payload)
            await beat(device)
            await eventually(site.noted, holds=lambda noted, before=before: len(noted) > before)
        assert [entry.data["refused"] for entry in site.noted()] == [
            "it has more than 262,144 bytes: larger ones are uploaded",
            "it is no Base64",
        ]
        await device.close()
