"""Keeps one connection to an Asterisk for ever."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.errors import Unreachable


@dataclass(frozen=True, slots=True)
class Up:
    """Connected, logged in and fully booted."""

    ami: Ami


@dataclass(frozen=True, slots=True)
class Down:
    """Not connected, and why; a new attempt follows by itself."""

    reason: Unreachable


class AsteriskLink:
    """One connection that comes back: exponential backoff with jitter, nothing replayed. `async with` runs it."""

    def __init__(
        self,
        address: AmiAddress,
        *,
        events: str = "system,security",
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
    ) -> None:
        """Name the Asterisk; waits are in seconds."""
        raise NotImplementedError

    async def __aenter__(self) -> "AsteriskLink":
        raise NotImplementedError

    @property
    def state(self) -> Up | Down:
        """The connection now."""
        raise NotImplementedError

    @property
    def ami(self) -> Ami:
        """The connection; raises the Down reason (an Unreachable) while there is none."""
        raise NotImplementedError

    async def up(self) -> Ami:
        """Wait until connected."""
        raise NotImplementedError

    def changes(self) -> AsyncIterator[Up | Down]:
        """The state now, then each change of it; a slow consumer sees only the newest."""
        raise NotImplementedError
