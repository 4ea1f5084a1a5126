"""Moments and spans of time, as people here read them."""

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def at(moment: str) -> str:
    """A moment of the API's in the time zone of this machine."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(moment: str, now: datetime | None = None) -> float:
    """Seconds since a moment of the API's; 0 where the clocks disagree."""
    return max(0.0, ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds())


def lasting(seconds: float) -> str:
    """A span of time: `7s`, `2m05s`, `3h20m`, `4d01h`."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"
