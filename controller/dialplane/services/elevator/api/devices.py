"""Devices: which there are and how they are, and those that register themselves, with their tokens."""

from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request

from dialplane.api.dependencies import Api, Limit, Site
from dialplane.api.problems import Refusal, described
from dialplane.services.elevator.api import models
from dialplane.services.elevator.api.access import NAME, ByToken, DeviceId, Served, device_of, may, permit_all
from dialplane.services.elevator.api.limits import DEVICES_MOST, REGISTERING
from dialplane.services.elevator.api.overview import overview
from dialplane.services.elevator.directory import DeviceDirectory
from dialplane.services.elevator.leader.roster import Lift
from dialplane.services.elevator.tables import devices, journal, telephones
from dialplane.services.elevator.tables.devices import Registered
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.store import Store

router = APIRouter()

log = structlog.get_logger("dialplane.api")


@router.post(
    "/register",
    summary="Register a device",
    responses=described(HTTPStatus.CONFLICT),
)
async def register(
    request: Request, api: Site, elevator: Served, holder: ByToken, wanted: models.NewDevice
) -> models.RegisteredDevice:
    """Make a device that no manifest declares, and its token, which is said this once.

    Asked twice, there are two. A site has 20,000 of them at most; one token registers ten a minute.
    """
    permit_all(holder, "manage")
    profile = elevator.devices().get(wanted.profile) if wanted.profile is not None else None
    if wanted.profile is not None and (profile is None or profile.key is None):
        text = f"there is no ElevatorDevice {wanted.profile}"
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", {"body.profile": text})
    REGISTERING.of(request.app).count(holder.name)
    device, token = devices.new_id(), devices.new_token()
    new = Registered(device, wanted.location, wanted.profile, devices.digest(token), holder.name, api.now())
    if not await api.store.call(devices.register, api.site, new, most=DEVICES_MOST):
        raise Refusal(HTTPStatus.CONFLICT, f"the site has {DEVICES_MOST:,} registered devices: delete some first")
    log.info("a device is registered", device=device, by=holder.name)
    elevator.refresh()
    return models.RegisteredDevice(device_id=device, token=token, location=wanted.location, profile=wanted.profile)


@router.get("", summary="Devices by id", responses=described())
async def listed(
    api: Site,
    elevator: Served,
    holder: ByToken,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=NAME, max_length=63, description="`next` of the page before.")] = None,
    online: Annotated[bool | None, Query(description="Only those that are online, or those that are not.")] = None,
    alarm: Annotated[bool | None, Query(description="Only those with an open alarm, or those without.")] = None,
    location: Annotated[
        str | None, Query(min_length=1, max_length=64, description="Only those with this in their location.")
    ] = None,
    registered: Annotated[
        bool | None, Query(description="Only those that registered themselves, or those of manifests.")
    ] = None,
) -> models.DevicePage:
    """A page of the devices that the token may read."""
    alarmed = await api.store.call(telephones.in_alarm, api.site) if alarm is not None else frozenset()
    part = location.casefold() if location else ""
    lifts = elevator.devices()
    wanted = (
        lifts[name]
        for name in sorted(name for name in lifts if cursor is None or name > cursor)
        if may(holder, "read", name)
        and part in lifts[name].location.casefold()
        and registered in {None, lifts[name].key is None}
        and online in {None, elevator.online(name)}
        and alarm in {None, name in alarmed}
    )
    found = list(islice(wanted, limit + 1))  # no more of ten thousand than are shown
    page = found[:limit]
    more = page[-1].name if len(found) > limit else None
    return models.DevicePage(items=await _states(api, elevator, page), next=more)


@router.get("/{id}", summary="One device", responses=described(HTTPStatus.NOT_FOUND))
async def one(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- the path's name for it
) -> models.DeviceState:
    """A device as it is now."""
    return (await _states(api, elevator, [device_of(elevator, holder, "read", id)]))[0]


@router.post(
    "/{id}/token",
    summary="Make a device another token",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def make_token(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
) -> models.DeviceToken:
    """Make a token, which is said this once. The one before is good for nothing, and its connection is closed.

    409: the manifest names a Secret, which has the device's token.
    """
    lift = device_of(elevator, holder, "manage", id)
    if lift.key is not None and lift.spec is not None and lift.spec.token_secret_ref is not None:
        text = (
            f"its token is in the Secret {lift.spec.token_secret_ref.name}: change it there, or take tokenSecretRef out"
        )
        raise Refusal(HTTPStatus.CONFLICT, text)
    token = devices.new_token()
    digest = devices.digest(token)
    await api.store.call(devices.set_token, api.site, id, digest, by=holder.name, now=api.now())
    log.info("a device has another token", device=id, by=holder.name)
    elevator.refresh()
    return models.DeviceToken(device_id=id, token=token)


@router.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a registered device",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
) -> None:
    """Take a device away that registered itself: it is a stranger from then on.

    409: a manifest declares it, and deletes it.
    """
    lift = device_of(elevator, holder, "manage", id)
    if lift.key is not None:
        raise Refusal(HTTPStatus.CONFLICT, f"{id} is declared by a manifest: delete the ElevatorDevice there")
    await api.store.call(devices.remove, api.site, id)
    log.info("a registered device is deleted", device=id, by=holder.name)
    elevator.refresh()


@router.post(
    "/{id}/alarm/end",
    summary="End an alarm",
    responses=described(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def end_alarm(
    api: Site,
    elevator: Served,
    holder: ByToken,
    id: DeviceId,  # noqa: A002 -- as above
) -> models.DeviceState:
    """Declare an emergency over: the cabin can be called no more, except by its operators.

    409: there is none.
    """
    lift = device_of(elevator, holder, "command", id)
    if not await api.store.call(_end_alarm, api.site, id, by=holder.name, at=api.now()):
        raise Refusal(HTTPStatus.CONFLICT, f"{id} has no open alarm")
    log.info("an alarm is ended", device=id, by=holder.name)
    elevator.refresh()
    return (await _states(api, elevator, [lift]))[0]


async def _states(api: Api, elevator: DeviceDirectory, page: list[Lift]) -> list[models.DeviceState]:
    seen = await api.store.call(overview, api.site, [lift.name for lift in page])
    address = elevator.pictures.addresses.lasting
    return [seen.state(lift, online=elevator.online(lift.name), address=address) for lift in page]


def _end_alarm(store: Store, site: str, device: str, *, by: str, at: datetime) -> bool:
    with store.write() as connection:
        if not telephones.note_ended(connection, site, device, at, now=at):
            return False
        journal.write(connection, site, [NewEntry(device, "alarm", at, {"state": "Ended", "by": by})])
    return True
