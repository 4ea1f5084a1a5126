"""Who may do what with a device.

A device that a request names is refused (403) by what the token may alone, whether there is such a device or not:
the answer does not tell what exists.
"""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import Depends, Path

from dialplane.api.dependencies import authenticated, serving
from dialplane.api.problems import Refusal
from dialplane.api.tokens import Holder
from dialplane.services.elevator import AREA, SERVICE
from dialplane.services.elevator.directory import DeviceDirectory
from dialplane.services.elevator.leader.roster import Lift

Right = Literal["read", "command", "manage"]


NAME: Final = "^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"
"""Of a device: the name of a resource, or an id of ours."""

DeviceId = Annotated[
    str, Path(pattern=NAME, max_length=63, description="Of a device: its name, or `dev_…`.", examples=["town-hall-2"])
]
ByToken = Annotated[Holder, Depends(authenticated)]
Served = Annotated[DeviceDirectory, Depends(serving(SERVICE.name))]


def may(holder: Holder, right: Right, device: str) -> bool:
    """Return whether the token may do this with the device, there or not."""
    return holder.scopes.allows(AREA, right, device)


def permit(holder: Holder, right: Right, device: str) -> None:
    """Raise a Refusal (403) unless the token may do this with the device, there or not."""
    if not may(holder, right, device):
        raise Refusal(HTTPStatus.FORBIDDEN, f"this token may not {right} the device {device}")


def permit_all(holder: Holder, right: Right) -> None:
    """Raise a Refusal (403) unless the token may do this with every device."""
    if holder.scopes.reach(AREA, right) is not None:
        raise Refusal(HTTPStatus.FORBIDDEN, f"this takes a token with the scope {AREA}:{right}:*")


def device_of(elevator: DeviceDirectory, holder: Holder, right: Right, name: str) -> Lift:
    """Return a device with which the token may do this; raises a Refusal (403, 404)."""
    permit(holder, right, name)
    found = elevator.devices().get(name)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no device {name}")
    return found
