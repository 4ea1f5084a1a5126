"""PURE: what the telephones of cabins wrote into Asterisk's database, line by line.

The lines are those of `plan/dialplan/cabins.py`, which says why they are so. Nothing here raises: a line that cannot be
read is a `DamagedLine`, so that it holds up no line after it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from dialplane.plan.dialplan.cabins import ALARMS, SPOOL
from dialplane.services.elevator.tables.spooled import entry_id

__all__ = ["ALARMS", "SPOOL", "CabinEvent", "DamagedLine", "cabin_event", "moment"]

CabinEventType = Literal["test", "alarm", "answered"]

_TYPES: Final[dict[str, CabinEventType]] = {"test": "test", "alarm": "alarm", "answered": "answered"}
_PARTS: Final = 4
_DETAIL: Final = 80
_LATEST: Final = 253_402_300_799
_DIGITS: Final = 20
"""Of a number of seconds: Python refuses to read, or to count to, what is much longer."""


@dataclass(frozen=True, slots=True)
class CabinEvent:
    """Something that the telephone of a cabin did."""

    id: str
    """The same however often it is read."""
    key: str
    """Where it is in the spool."""
    at: datetime
    """By Asterisk's clock, but never later than it was read: a clock that is ahead makes no test call recent."""
    device: str
    type: CabinEventType
    detail: str
    """The number that was dialled, or who answered; printable characters."""


@dataclass(frozen=True, slots=True)
class DamagedLine:
    """A line that cannot be read, and why."""

    key: str
    why: str


def cabin_event(key: str, value: str, now: datetime) -> CabinEvent | DamagedLine:
    """Return what a line of `dpelev` says: `EPOCH|DEVICE|EVENT|DETAIL`."""
    parts = value.split("|", _PARTS - 1)
    if len(parts) != _PARTS:
        return DamagedLine(key, f"it has {len(parts)} parts, not {_PARTS}")
    epoch, device, word, detail = parts
    at, kind = moment(epoch), _TYPES.get(word)
    if at is None:
        return DamagedLine(key, "its time is no number of seconds")
    if kind is None or not device:
        return DamagedLine(key, "it names no device, or no event that is known here")
    shown = "".join(each if each.isprintable() else "\ufffd" for each in detail[:_DETAIL])
    return CabinEvent(entry_id(key, value), key, min(at, now), device, kind, shown)


def moment(epoch: str) -> datetime | None:
    """Return the moment of so many seconds since 1970; None for what is no such number."""
    if not (epoch.isascii() and epoch.isdecimal() and len(epoch) <= _DIGITS) or not 0 < int(epoch) <= _LATEST:
        return None
    return datetime.fromtimestamp(int(epoch), UTC)
