"""What the replicas report to the leader: coarse states, one subject each. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BOT_PREFIX: Final = "bot/"
"""`bot/NAME`: whether a replica serves a bot."""
APPLICATION: Final = "application"
"""The replica's own ARI application."""


@dataclass(frozen=True, slots=True)
class BotState:
    """How a replica serves one bot."""

    digest: str
    """Of what it serves (`desired.DesiredBot.digest`)."""
    ready: bool
    """An utterance went through the media path and came back, and the speech providers answered."""
    reason: str = ""
    """A `Reason`, where it is not ready."""
    message: str = ""
    calls: int = 0
    """Calls that go on."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {
            "digest": self.digest,
            "ready": self.ready,
            "reason": self.reason,
            "message": self.message[:500],
            "calls": self.calls,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "BotState":
        """Return what `to_json` was given."""
        return cls(state["digest"], state["ready"], state["reason"], state["message"], state["calls"])


@dataclass(frozen=True, slots=True)
class ApplicationState:
    """The ARI application of a replica."""

    name: str
    """What the dialplan gives to `Stasis()`."""
    open: bool
    """Whether it takes calls."""
