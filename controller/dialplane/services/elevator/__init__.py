"""Devices in lifts: their connections, commands, pictures and alarms, and the emergency telephones of the cabins."""

from typing import Final

from dialplane.api.scopes import ScopeRule
from dialplane.services.contract import Context, Service, ServiceDefinition

AREA: Final = "devices"


def _start(context: Context) -> Service:
    from dialplane.services.elevator.leader.service import ElevatorService  # noqa: PLC0415 -- most sites have no lift

    return ElevatorService(context)


def _preload() -> None:
    from dialplane.services.elevator.leader import service  # noqa: F401, PLC0415 -- as above


SERVICE = ServiceDefinition(
    name="elevator",
    start=_start,
    preload=_preload,
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
