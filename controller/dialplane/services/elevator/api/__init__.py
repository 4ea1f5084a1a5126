"""`/devices`: devices in lifts, one module for each kind of thing that is asked for, and `/api/send`.

`access` says who may do what, `limits` how much of it.
"""

from collections.abc import Sequence

from fastapi import APIRouter

from dialplane.api.mount import Mount
from dialplane.services.elevator.api import commands, devices, journal, pictures, snapshots
from dialplane.services.elevator.api.limits import ALLOWANCES
from dialplane.services.elevator.api.models import BulkCommand, NewDevice, NewDeviceCommand, SendCommand


def mounts() -> Sequence[Mount]:
    """Return every path about devices; those with a fixed name come before those with a device's."""
    guarded = APIRouter(tags=["devices"])
    for module in (snapshots, commands, devices, journal, pictures):
        guarded.include_router(module.router, prefix="/devices")
    outside = APIRouter(tags=["devices"])
    outside.include_router(commands.sending)
    return (
        Mount(
            guarded,
            bodies={
                "/devices/register": NewDevice,
                "/devices/commands": BulkCommand,
                "/devices/{id}/commands": NewDeviceCommand,
            },
            allowances=ALLOWANCES,
        ),
        Mount(outside, outside=True, bodies={"/api/send": SendCommand}),
        *pictures.open_mounts(),
    )
