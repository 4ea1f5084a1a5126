"""PURE: the devices of a site: those with a manifest, and those that registered themselves."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from pydantic import SecretStr

from dialplane.resources.elevator_device import AllowedCommand, ElevatorDeviceSpec, Heartbeat
from dialplane.resources.key import Key
from dialplane.services.contract import SiteView
from dialplane.services.elevator.desired import Command, Device, Profile
from dialplane.services.elevator.tables.devices import Registered

KIND = "ElevatorDevice"


@dataclass(frozen=True, slots=True)
class Lift:
    """A device of the site."""

    name: str
    """Its id on the wire."""
    location: str
    spec: ElevatorDeviceSpec | None
    """Of its manifest, or of the manifest whose settings it has; None where that is not there."""
    profile: Profile
    token_digest: bytes | None
    """SHA-256; None: it has no token yet."""
    key: Key | None = None
    """Of its resource; None: it registered itself."""
    connects: bool = True
    """Whether it is let in: enabled, and accepted by the plan."""
    has_telephone: bool = False
    """Whether the telephone of its cabin is looked after: whatever is wrong with the device, somebody may be stuck."""
    settings: str | None = None
    """The ElevatorDevice whose settings it has, where it registered itself with one."""

    @property
    def timeout(self) -> timedelta:
        """After how long a silence it is offline."""
        return timedelta(seconds=self.profile.timeout_seconds)

    @property
    def cabin(self) -> str | None:
        """The number of the telephone in its cabin, where that is looked after."""
        return self.spec.emergency_extension if self.spec is not None and self.has_telephone else None

    @property
    def test_call_age(self) -> timedelta | None:
        """How old its last test call may be; None: it makes none."""
        if self.spec is None or self.spec.test_call is None or not self.has_telephone:
            return None
        return timedelta(hours=self.spec.test_call.max_age_hours)


def roster(view: SiteView, registered: Mapping[str, Registered]) -> dict[str, Lift]:
    """Return every device with a valid manifest, and every one that registered itself, by name.

    Args:
        view: the site.
        registered: the devices that have a token of ours, by name.
    """
    found = {lift.name: lift for lift in _declared(view, registered)}
    for name, device in registered.items():
        if device.location is not None and name not in found:
            settings = found.get(device.profile or "")
            spec = settings.spec if settings is not None else None
            profile = settings.profile if settings is not None else Profile()
            found[name] = Lift(name, device.location, spec, profile, device.token_digest, settings=device.profile)
    return found


def served(lifts: Mapping[str, Lift]) -> dict[str, Device]:
    """Return what the gateways are to know: the devices that are let in."""
    return {name: Device(lift.token_digest, lift.profile) for name, lift in lifts.items() if lift.connects}


def _declared(view: SiteView, registered: Mapping[str, Registered]) -> Iterator[Lift]:
    for resource, spec in view.snapshot.of(ElevatorDeviceSpec):
        name, accepted = resource.key.name, resource.key in view.accepted
        own = registered.get(name)
        reference = spec.token_secret_ref
        if reference is not None:
            token = view.snapshot.secrets.get(reference.name, {}).get(reference.key)
            digest = _digest(token) if token is not None else None
        else:
            digest = own.token_digest if own is not None else None
        yield Lift(
            name=name,
            location=spec.location,
            spec=spec,
            profile=_profile(spec.heartbeat, spec.allowed_commands),
            token_digest=digest,
            key=resource.key,
            connects=accepted and spec.enabled,
            has_telephone=spec.emergency_extension is not None,
        )


@lru_cache(maxsize=4096)
def _profile(heartbeat: Heartbeat, commands: tuple[AllowedCommand, ...]) -> Profile:
    """Devices with the same settings share one."""
    return Profile(
        heartbeat.interval_seconds,
        heartbeat.timeout_seconds,
        {each.name: Command(each.kind == "physical", each.allow_unacknowledged) for each in commands},
    )


def _digest(token: SecretStr) -> bytes:
    return hashlib.sha256(token.get_secret_value().encode("utf-8", "surrogateescape")).digest()
