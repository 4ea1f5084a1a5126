"""What ARI shows of channels, bridges and applications, and its events: as far as Dialplane uses them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AriChannel:
    """A channel."""

    id: str
    name: str
    """Such as `PJSIP/101-00000001`; what the dialplan's Bridge() takes."""
    caller: str = ""
    """The caller's number; empty where it is hidden."""
    running: str = ""
    """The application of the dialplan that it is in, such as `Stasis`."""
    variables: Mapping[str, str] | None = None
    """Those that came with it."""

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> "AriChannel":
        """Return a channel that ARI shows."""
        return cls(
            id=shown["id"],
            name=shown["name"],
            caller=shown.get("caller", {}).get("number", ""),
            running=shown.get("dialplan", {}).get("app_name", ""),
            variables=shown.get("channelvars"),
        )


@dataclass(frozen=True, slots=True)
class AriApplication:
    """An application of ARI, open or not."""

    name: str
    channels: tuple[str, ...]
    """The ids of the channels in it."""

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> "AriApplication":
        """Return an application that ARI shows."""
        return cls(shown["name"], tuple(shown["channel_ids"]))


@dataclass(frozen=True, slots=True)
class StasisStart:
    """A channel has come into the application."""

    channel: AriChannel
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StasisEnd:
    """A channel has left the application."""

    channel: AriChannel


AriEvent = StasisStart | StasisEnd


def event_of(shown: Mapping[str, Any]) -> AriEvent | None:
    """Return an event that Dialplane uses; None for another one."""
    match shown.get("type"):
        case "StasisStart":
            return StasisStart(AriChannel.of(shown["channel"]), tuple(shown.get("args", ())))
        case "StasisEnd":
            return StasisEnd(AriChannel.of(shown["channel"]))
    return None
