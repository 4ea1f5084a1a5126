"""A restart of Asterisk that somebody asks for, and what becomes of it: pure.

The annotation `dialplane.io/restartedAt` asks, with any new value. Each value is answered once, well or ill; whoever
wants another try asks anew, with another value. So nothing ever restarts Asterisk at a moment that nobody chose.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from dialplane.asterisk.moment import Moment
from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.manifest import GROUP
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import Reason

ANNOTATION: Final = f"{GROUP}/restartedAt"
_SHOWN = 128
"""Characters of a value that a status shows."""


class Phase(StrEnum):
    """How far it is; the words of `Asterisk.status.restart.phase`."""

    SKIPPED = "Skipped"
    """Nobody is asked: the value was there before the controller knew the site, or it was withdrawn."""
    DRAINING = "Draining"
    """Calls are waited for."""
    RESTARTING = "Restarting"
    """The supervisor is told; Asterisk is to start anew and to be verified."""
    RESTARTED = "Restarted"
    GIVEN_UP = "GivenUp"
    FAILED = "Failed"


_CONDITIONS: Final = {
    Phase.DRAINING: (Truth.UNKNOWN, Reason.DRAINING),
    Phase.RESTARTING: (Truth.UNKNOWN, Reason.RESTARTING),
    Phase.RESTARTED: (Truth.TRUE, Reason.RESTARTED),
    Phase.GIVEN_UP: (Truth.FALSE, Reason.CALLS_UP),
    Phase.FAILED: (Truth.FALSE, Reason.RESTART_FAILED),
}


@dataclass(frozen=True, slots=True)
class RestartRequest:
    """One value of the annotation and its fate. Its moments outlive the process."""

    name: str
    """Of the Asterisk resource: another one's annotation asks nothing of the Asterisk that runs now."""
    value: str
    phase: Phase
    asked: Moment
    """When it was first seen."""
    since: Moment
    """When the phase began."""
    start: str = ""
    """The mark of the start that Asterisk ran on when it was asked; any other one answers the request. Empty: it was
    away then."""
    message: str = ""

    @property
    def pending(self) -> bool:
        """Whether the controller is about it."""
        return self.phase in {Phase.DRAINING, Phase.RESTARTING}

    def entered(self, phase: Phase, now: Moment, message: str = "") -> Self:
        """The same request in another phase."""
        return replace(self, phase=phase, since=now, message=message)

    def condition(self) -> Condition | None:
        """What the condition `Restarted` says; None where there is nothing to say."""
        if self.phase not in _CONDITIONS:
            return None
        status, reason = _CONDITIONS[self.phase]
        return Condition(ConditionType.RESTARTED, status, reason, self.message)

    def fields(self) -> dict[str, str]:
        """`Asterisk.status.restart`."""
        since = timestamp(datetime.fromtimestamp(self.since.wall, UTC))
        return {"value": self.value[:_SHOWN], "phase": str(self.phase), "since": since}

    def to_json(self) -> str:
        """The request as `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A request that was noted."""
        kept: dict[str, Any] = json.loads(text)
        moments = {name: Moment(**kept[name]) for name in ("asked", "since")}
        return cls(**kept | moments | {"phase": Phase(kept["phase"])})


def moment(value: str) -> datetime | None:
    """The moment that a value names (`date -Is` writes one); None where it names none, or hides its zone."""
    try:
        named = datetime.fromisoformat(value)
    except ValueError:
        return None
    return named if named.tzinfo else None
