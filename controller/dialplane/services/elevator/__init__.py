"""Devices in lifts: their connections, commands, pictures and alarms, and the emergency telephones of the cabins."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dialplane.api.scopes import ScopeRule
from dialplane.services.contract import Context, Replica, ReplicaContext, Role, Service, ServiceDefinition

if TYPE_CHECKING:
    from dialplane.api.mount import Mount

AREA: Final = "devices"


def _start(context: Context) -> Service:
    from dialplane.services.elevator.leader.service import ElevatorService  # noqa: PLC0415 -- most sites have no lift

    return ElevatorService(context)


def _preload() -> None:
    from dialplane.services.elevator.leader import service  # noqa: F401, PLC0415 -- as above


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.elevator.api import mounts  # noqa: PLC0415 -- as above

    return mounts()


def _gateway(context: ReplicaContext) -> Replica:
    from dialplane.services.elevator.gateway.replica import ElevatorGateway  # noqa: PLC0415 -- as the contract says
    from dialplane.services.elevator.pictures.pictures import Pictures  # noqa: PLC0415 -- as above
    from dialplane.services.elevator.pictures.uploads import UploadOffers  # noqa: PLC0415 -- as above

    pictures = Pictures(context.store, context.site, context.storage, context.hints)
    offers = UploadOffers(context.store, context.site, context.storage)
    return ElevatorGateway(context, pictures=pictures, enrich=offers, beside=(pictures.run,))


SERVICE = ServiceDefinition(
    name="elevator",
    start=_start,
    preload=_preload,
    mounts=_mounts,
    replicas={Role.GATEWAY: _gateway},
    scopes=(
        ScopeRule(
            AREA,
            rights={
                "read": ("read",),
                "command": ("read", "command"),
                "manage": ("read", "command", "manage"),
            },
        ),
    ),
    tables=tuple(
        f"dialplane.services.elevator.tables.{name}"
        for name in (
            *("callbacks", "commands", "devices", "journal", "presence", "sessions"),
            *("snapshots", "spooled", "telephones", "uploads"),
        )
    ),
)
