"""Pictures of a device's camera: asked for now, and those there are."""

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response

from dialplane.api.dependencies import PREFIX, Api, Before, Limit, Site
from dialplane.api.models import cursor
from dialplane.api.problems import Refusal, described
from dialplane.services.elevator.api import models
from dialplane.services.elevator.api.access import ByToken, DeviceId, Served, device_of
from dialplane.services.elevator.api.commands import command_now, shown
from dialplane.services.elevator.api.limits import PICTURE_SECONDS, WATCHING
from dialplane.services.elevator.directory import DeviceDirectory
from dialplane.services.elevator.tables import commands, snapshots
from dialplane.services.elevator.tables.commands import Command
from dialplane.services.elevator.tables.snapshots import Snapshot
from dialplane.storage.errors import StorageError
from dialplane.store import Store

router = APIRouter()

COMMAND: Final = "SNAPSHOT"
"""What firmware calls it."""
LOOK_SECONDS: Final = 0.25


@router.get(
    "/remote/{id}/snapshot",
    summary="Ask a device for a picture, and wait for it",
    responses={
        202: {"model": models.DeviceCommand, "description": "It was asked, and the picture has not come in 10 s."},
        **described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY),
    },
)
async def ask(
    request: Request,
    api: Site,
    elevator: Served,
    holder: ByToken,
    response: Response,
    id: DeviceId,  # noqa: A002 -- the path's name for it
) -> models.Picture | models.DeviceCommand:
    """Send the command `SNAPSHOT`, which must be among the device's `allowedCommands`, and wait 10 s for the picture.

    404: the device is offline. 502: it sent none, and said so.
    """
    lift = device_of(elevator, holder, "command", id)
    waiting = WATCHING.of(request.app)
    waiting.check(holder.name)
    with waiting.one(holder.name):
        before = await api.store.call(_newest, api.site, id)
        wish = models.CommandWish(name=COMMAND, deadline_seconds=models.PHYSICAL_SECONDS)
        command = await command_now(api, elevator, holder, lift, wish)
        picture, command = await _picture(api, command, before)
    if picture is not None:
        return await _shown(elevator, picture)
    if command.state in {"failed", "rejected", "expired"}:
        raise Refusal(HTTPStatus.BAD_GATEWAY, f"{id} sent no picture: the command is {command.state}")
    response.status_code = HTTPStatus.ACCEPTED
    response.headers["Location"] = f"{PREFIX}/devices/{id}/commands/{command.id}"
    return shown(command)


@router.get(
    "/{id}/snapshots", summary="Pictures of a device, the newest first", responses=described(HTTPStatus.NOT_FOUND)
)
async def listed(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
    before: Before,
    limit: Limit = 50,
) -> models.PicturePage:
    """A page of the pictures that are kept. Their addresses ask for no token, and are good for six days."""
    device_of(elevator, holder, "read", id)
    page = await api.store.call(snapshots.page, api.site, id, limit=limit, before=before)
    items = [await _shown(elevator, each) for each in page.snapshots]
    return models.PicturePage(items=items, next=cursor(page.next))


async def _picture(api: Api, command: Command, before: int) -> tuple[Snapshot | None, Command]:
    """Return the picture that answers a command, once it is there; and the command as it is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PICTURE_SECONDS
    while loop.time() < end:
        picture, command = await api.store.call(_look, api.site, command, before)
        if picture is not None or command.state in {"failed", "rejected", "expired"}:
            return picture, command
        await asyncio.sleep(LOOK_SECONDS)
    return None, command


def _newest(store: Store, site: str, device: str) -> int:
    newest = snapshots.newest(store, site, [device]).get(device)
    return newest.seq if newest else 0


def _look(store: Store, site: str, command: Command, before: int) -> tuple[Snapshot | None, Command]:
    """Look for a picture of this command, or one that names none: old devices know no ids."""
    newest = snapshots.newest(store, site, [command.device]).get(command.device)
    if newest is not None and newest.seq > before and newest.command in {None, command.id}:
        return newest, command
    return None, commands.get(store, site, command.id) or command


async def _shown(elevator: DeviceDirectory, picture: Snapshot) -> models.Picture:
    try:
        url = await elevator.pictures.addresses.signed(picture.object)
    except StorageError:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "the storage of pictures does not answer: try again", Retry_After="5"
        ) from None
    return models.Picture(
        device_id=picture.device,
        url=url,
        taken_at=picture.taken_at,
        media_type=picture.media_type,
        size=picture.size,
    )
