"""PURE: which view the living gateways serve, and which devices have a twin, from what they report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dialplane.services.contract import ReplicaState
from dialplane.services.elevator.reported import GATEWAY, device_with_twin

GRACE_SECONDS: Final = 30.0
"""How long the last gateway may be away, to be started again, before no device is Ready."""
FIRST_SECONDS: Final = 5.0
"""How long a leader that has just started waits for the first word of a gateway before it says that there is none."""


class Gateways:
    """The gateways of a site; times are in seconds of a clock that nobody sets."""

    def __init__(self) -> None:
        self.serves: int | None = None
        """The number of the newest view that a gateway serves; None: there is no gateway."""
        self.twins: frozenset[str] = frozenset()
        """Devices of which another one shows the token, too."""
        self._until: float | None = None

    def look(self, states: Mapping[str, Sequence[ReplicaState]], now: float) -> "GatewayNews | None":
        """Take what they report now; return what that changed, if anything."""
        before = GatewayNews(self.serves, self.twins)
        self.twins = frozenset(name for subject in states if (name := device_with_twin(subject)) is not None)
        numbers = [number for each in states.get(GATEWAY, ()) if (number := _number(each.state)) is not None]
        if numbers:
            self.serves, self._until = max(numbers), None
        elif self.serves is not None:
            self._until = now + GRACE_SECONDS if self._until is None else self._until
            if now >= self._until:
                self.serves = None
        return None if (self.serves, self.twins) == (before.served, before.twins) else before

    def concerns(self, news: "GatewayNews", device: str, since: int) -> bool:
        """Return whether what changed matters to a device that is as it is since the view of that number."""
        if (device in news.twins) != (device in self.twins):
            return True
        was, now = (serves is not None and serves >= since for serves in (news.served, self.serves))
        return was != now or (news.served is None) != (self.serves is None)


@dataclass(frozen=True, slots=True)
class GatewayNews:
    """What was so before it changed."""

    served: int | None
    twins: frozenset[str]


def _number(state: object) -> int | None:
    number = state.get("serves") if isinstance(state, Mapping) else None
    return number if isinstance(number, int) else None
