"""The devices that there are: those that a manifest declares, and those that registered themselves. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from dialplane.resources.elevator_device import ElevatorDeviceSpec
from dialplane.services.contract import SiteView
from dialplane.services.elevator.tables.devices import Registered

if TYPE_CHECKING:
    from dialplane.services.elevator.command_desk import CommandDesk


@dataclass(frozen=True, slots=True)
class Lift:
    """A device, connected or not."""

    name: str
    """Its id on the wire, too."""
    spec: ElevatorDeviceSpec
    """Its settings; of one that registered itself those of its profile, with its own location and without a
    telephone."""
    registered: bool = False
    """It registered itself: no manifest declares it."""
    profile: str | None = None
    """The ElevatorDevice whose settings it has, where it registered itself with one."""
    served: bool = True
    """It may connect once it has a token: it is enabled, and the plan has accepted it."""
    token_digest: bytes | None = None
    """SHA-256 of the token that Dialplane made for it. Where `spec.token_secret_ref` is set, that counts instead."""


_TELEPHONE: Final = ("emergency_extension", "operators", "test_call", "token_secret_ref")
"""What a profile says of one lift alone."""
_PLAIN: Final = {name: ElevatorDeviceSpec.model_fields[name].get_default() for name in _TELEPHONE}


def lifts(view: SiteView, registered: Iterable[Registered]) -> dict[str, Lift]:
    """Return every device by its name.

    A manifest goes before a registration of the same name. Who registered with a profile that is gone, or without
    one, has the settings that the kind has by default: no command is allowed.

    Args:
        view: the site.
        registered: all rows of the table `devices`.
    """
    made = {each.device: each for each in registered}
    found: dict[str, Lift] = {}
    for key, spec in view.snapshot.of(ElevatorDeviceSpec):
        token = made.get(key.name)
        found[key.name] = Lift(
            name=key.name,
            spec=spec,
            served=spec.enabled and key in view.accepted,
            token_digest=token.token_digest if token else None,
        )
    declared = dict(found)
    for name, each in made.items():
        if name in declared or each.location is None:
            continue
        of = declared.get(each.profile or "")
        plain = ElevatorDeviceSpec(location=each.location)
        spec = of.spec.model_copy(update={**_PLAIN, "location": each.location}) if of else plain
        found[name] = Lift(
            name=name,
            spec=spec,
            registered=True,
            profile=each.profile,
            served=spec.enabled,
            token_digest=each.token_digest,
        )
    return found


class Lifts(Protocol):
    """What the API asks of the leader's half, in the loop's thread and without waiting."""

    @property
    def desk(self) -> "CommandDesk":
        """Where commands are queued; it runs as long as the service does."""

    def lifts(self) -> Mapping[str, Lift]:
        """Return every device by name, as of the last view of the site and the last look into the table."""

    def online(self, device: str) -> bool | None:
        """Return whether a device was heard within its timeout; None while nobody has looked."""

    def refresh(self) -> None:
        """Look into the table `devices` now: a device, or its token, is another one."""
