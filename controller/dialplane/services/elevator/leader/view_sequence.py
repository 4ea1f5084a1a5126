"""PURE: the views of the gateways in order, each with a larger number, and since which of them each device is as it is.

A leader that starts goes on from the view that was published last: what did not change keeps its number, so that no
device stops being Ready because the leader did.
"""

from collections.abc import Mapping

from dialplane.services.elevator.desired import DesiredDevices, Device


class ViewSequence:
    """The view that the gateways are to serve."""

    def __init__(self, last: DesiredDevices) -> None:
        """Go on from `last`; an empty one where there was none."""
        self.desired = last
        self._since: dict[str, int] = {}
        self._base = last.number

    def change(self, devices: Mapping[str, Device], milliseconds: int) -> frozenset[str]:
        """Make `devices` the view.

        Args:
            devices: by name.
            milliseconds: the time since 1970, where a number begins.

        Returns:
            The names of those that are new or another than before.
        """
        before = self.desired.devices
        if devices == before:
            return frozenset()
        number = max(self.desired.number + 1, milliseconds)
        changed = frozenset(name for name, device in devices.items() if before.get(name) != device)
        self._since = {name: since for name, since in self._since.items() if name in devices}
        self._since |= dict.fromkeys(changed, number)
        self.desired = DesiredDevices(number, devices)
        return changed

    def since(self, device: str) -> int:
        """Return the number of the first view that has this device as it is now."""
        return self._since.get(device, self._base)
