"""Devices in lifts: their connections, commands, pictures and alarms, and the emergency telephones of the cabins."""

from typing import Final

from dialplane.api.scopes import ScopeRule
from dialplane.services.contract import ServiceDefinition

AREA: Final = "devices"

SERVICE = ServiceDefinition(
    name="elevator",
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
