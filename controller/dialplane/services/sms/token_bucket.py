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
        new = Pace(per_minute, self.tokens, now)
        return replace(new, tokens=min(float(new._burst), self.tokens + new._rate * (now - self.at)))

    @property
    def ready(self) -> bool:
        """Whether one may go out."""
        return self.tokens >= 1.0

    @property
    def wait(self) -> float:
        """Seconds from `at` until one may go out."""
        return max(1.0 - self.tokens, 0.0) / self._rate

    @property
    def _burst(self) -> int:
        return max(1, self.per_minute // _BURST_SHARE)

    @property
    def _rate(self) -> float:
        """Tokens a second: a full bucket and what comes in within a minute are together `per_minute`."""
        return (self.per_minute - self._burst + 1) / _MINUTE

    def taken(self) -> "Pace":
        """One went out."""
        return replace(self, tokens=self.tokens - 1.0)
