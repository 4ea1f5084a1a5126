"""What the replicas report to the leader: coarse states, one subject each. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BOT_PREFIX: Final = "bot/"
"""`bot/NAME`: whether a replica serves a bot."""
APPLICATION: Final = "application"
"""The replica's own ARI application."""
APPLICATION_PREFIX: Final = "dialplane-bot-"
"""What the names of all of them begin with."""


def application_name(replica: str) -> str:
    """Return the name of a replica's own application: nothing in it means anything to the dialplan."""
    return APPLICATION_PREFIX + re.sub(r"[^a-z0-9-]", "-", replica.lower())


@dataclass(frozen=True, slots=True)
class BotState:
    """How a replica serves one bot."""

    digest: str
    """Of what it serves (`desired.DesiredBot.digest`); empty where it only ends the calls that it has."""
    ready: bool
    """An utterance went through the media path and came back, and the speech providers answered."""
    reason: str = ""
    """A `Reason`, where it is not ready; `Unknown` until this version was tried."""
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {"name": self.name, "open": self.open}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "ApplicationState":
        """Return what `to_json` was given."""
        return cls(state["name"], state["open"])
