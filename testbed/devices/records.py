"""What the simulated devices lived through, counted by themselves: the gateway's own word counts for nothing."""

import json
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from testbed.devices.messages import read

CLOCKS: Final = 0.05
"""Seconds by which a command may arrive after its deadline: it was sent before."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A command that arrived at a device."""

    id: str
    device: str
    name: str
    at: float
    """Seconds since 1970."""


@dataclass
class Records:
    """Of all devices, since the start or the last `forget`."""

    connects: int = 0
    heartbeats: int = 0
    pongs: int = 0
    unreachable: int = 0
    """Attempts that found nobody."""
    refused: Counter[int] = field(default_factory=Counter)
    """Attempts that were not let in, by status of HTTP; 0: the connection ended without an answer."""
    closed: Counter[int] = field(default_factory=Counter)
    """Connections that ended, by close code; 1006: without one."""
    other: Counter[str] = field(default_factory=Counter)
    """Messages that are neither pong nor command, by type."""
    late: int = 0
    """Commands that arrived after their deadline."""
    arrivals: list[Arrival] = field(default_factory=list)
    answers: "array[float]" = field(default_factory=lambda: array("f"))
    """Seconds until each pong."""
    repeated: set[str] = field(default_factory=set)
    """Ids of commands that arrived more than once."""
    _seen: set[str] = field(default_factory=set)

    def arrived(self, device: str, command: dict[str, Any]) -> None:
        """Note a command."""
        number, now = str(command.get("id", "")), time.time()
        self.arrivals.append(Arrival(number, device, str(command.get("payload", "")), now))
        if number in self._seen:
            self.repeated.add(number)
        self._seen.add(number)
        deadline = command.get("deadline")
        if isinstance(deadline, str) and now > _seconds(deadline) + CLOCKS:
            self.late += 1

    def figures(self) -> dict[str, Any]:
        """Return the counts, as JSON."""
        return {
            "connects": self.connects,
            "heartbeats": self.heartbeats,
            "pongs": self.pongs,
            "unreachable": self.unreachable,
            "refused": {str(status): count for status, count in self.refused.items()},
            "closed": {str(code): count for code, count in self.closed.items()},
            "other": dict(self.other),
            "commands": len(self.arrivals),
            "repeated": sorted(self.repeated),
            "late": self.late,
        }

    def latency(self) -> dict[str, Any]:
        """Return how long pongs took, in seconds, as JSON; null where there were none."""
        answers = sorted(self.answers)
        return {
            "p50": answers[len(answers) // 2] if answers else None,
            "p99": answers[len(answers) * 99 // 100] if answers else None,
        }


def message(text: str) -> tuple[str, dict[str, Any]]:
    """Return the type of what a device is told, and the whole of it; what is no object has the type `?`."""
    value = read(text)
    return ("?", {"text": json.dumps(text)}) if value is None else (str(value.get("type", "?")), value)


def _seconds(moment: str) -> float:
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
