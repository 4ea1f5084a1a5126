"""What the leader wants of the gateways: the devices, digests of their tokens, and what may be done with each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a device may be sent."""

    physical: bool
    allow_unacknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """What many devices have in common."""

    interval_seconds: int = 5
    timeout_seconds: int = 30
    commands: Mapping[str, Command] = field(default_factory=dict)
    """By name."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that may connect."""

    token_digest: bytes | None
    """SHA-256; None while it has no token: nobody can be it."""
    profile: Profile


@dataclass(frozen=True, slots=True)
class DesiredDevices:
    """The view of the gateways. Devices that are not in it, or disabled, are strangers."""

    number: int = 0
    """Larger for each later view."""
    devices: Mapping[str, Device] = field(default_factory=dict)
    """By name."""


def to_json(desired: DesiredDevices) -> dict[str, Any]:
    """Return a JSON value; devices share their profiles."""
    places: dict[str, int] = {}
    profiles: list[dict[str, Any]] = []
    devices: dict[str, list[Any]] = {}
    for name, device in desired.devices.items():
        written = {
            "interval": device.profile.interval_seconds,
            "timeout": device.profile.timeout_seconds,
            "commands": {
                name: [command.physical, command.allow_unacknowledged]
                for name, command in device.profile.commands.items()
            },
        }
        place = places.setdefault(repr(written), len(profiles))
        if place == len(profiles):
            profiles.append(written)
        devices[name] = [device.token_digest.hex() if device.token_digest else None, place]
    return {"number": desired.number, "profiles": profiles, "devices": devices}


def from_json(view: Any) -> DesiredDevices:
    """Return what `to_json` was given."""
    profiles = [
        Profile(
            each["interval"],
            each["timeout"],
            {name: Command(physical, unacknowledged) for name, (physical, unacknowledged) in each["commands"].items()},
        )
        for each in view["profiles"]
    ]
    devices = {
        name: Device(bytes.fromhex(digest) if digest else None, profiles[place])
        for name, (digest, place) in view["devices"].items()
    }
    return DesiredDevices(view["number"], devices)
