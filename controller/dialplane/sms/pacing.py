"""How fast one modem may send: a token bucket."""

from dataclasses import dataclass, replace
from typing import Self

_MINUTE = 60.0
_BURST_SHARE = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """So many messages in any minute; a quarter of them may go out one right after the other.

    Times are in seconds of a clock that nobody sets.
    """

    per_minute: int
    tokens: float
    at: float

    @classmethod
    def start(cls, per_minute: int, now: float) -> Self:
        """One message may go out now: a controller that starts again and again sends no more than one that runs."""
        return cls(per_minute, 1.0, now)

    def allowed(self, per_minute: int, now: float) -> "Pace":
        """The same at another time, with the limit of then."""
        burst = max(1, per_minute // _BURST_SHARE)
        # A full bucket and what comes in within a minute are together `per_minute`.
        rate = (per_minute - burst + 1) / _MINUTE
        return Pace(per_minute, min(float(burst), self.tokens + rate * (now - self.at)), now)

    @property
    def ready(self) -> bool:
        """Whether one may go out."""
        return self.tokens >= 1.0

    def taken(self) -> "Pace":
        """One went out."""
        return replace(self, tokens=self.tokens - 1.0)
