"""What the API asks of the leader's half: the devices that there are, and where commands for them are queued."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from dialplane.services.elevator.command_desk import CommandDesk

if TYPE_CHECKING:
    from dialplane.services.elevator.leader.roster import Lift
    from dialplane.services.elevator.pictures.pictures import Pictures


class DeviceDirectory(Protocol):
    """The running service as the paths of the API see it: called in the loop's thread, and never waiting."""

    @property
    def desk(self) -> CommandDesk:
        """Where commands are queued; the service runs it (`CommandDesk.run`) as long as it runs itself."""

    @property
    def pictures(self) -> "Pictures":
        """The pictures of devices; the service runs them (`Pictures.run`) as long as it runs itself."""

    def devices(self) -> "Mapping[str, Lift]":
        """Return every device by name: those that a manifest declares, and those that registered themselves."""

    def online(self, device: str) -> bool | None:
        """Return whether a device was heard within its timeout; None while nobody has looked."""

    def refresh(self) -> None:
        """Look into the tables now: there is another device, another token, or another state of an alarm."""
