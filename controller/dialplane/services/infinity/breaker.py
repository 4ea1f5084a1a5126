"""Whether a tenant's platform is asked at all: a decision from what became of the last requests.

After some failures in a row nobody is asked for a while; then one call tries, and the pause doubles if that fails too.
A refusal is an answer: whoever refuses is well.
"""

from dataclasses import dataclass, replace
from typing import Final

from dialplane.tasks import Backoff

FAILURES: Final = 5
"""So many in a row, and it opens."""
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is remembered of one platform. Times are in seconds of a clock that nobody sets."""

    failures: int = 0
    """In a row."""
    failing_since: float = 0.0
    """When the first of them was."""
    opened: int = 0
    """How often it has opened since the platform last answered; 0 while it is closed."""
    until: float = 0.0
    """While it is open: when the next call may try."""
    tries: int = 0
    """How many calls have tried in all."""
    trying: int = 0
    """Which of them is under way, 0 for none."""

    @property
    def open(self) -> bool:
        """Whether the platform counts as down."""
        return self.opened > 0

    def admits(self, now: float) -> bool:
        """Whether a call may be placed now."""
        return not self.open or (not self.trying and now >= self.until)

    def wait(self, now: float) -> float:
        """Seconds until a call may be placed, at the soonest."""
        return max(self.until - now, 0.0) if self.open else 0.0

    def asked(self) -> tuple["Breaker", int]:
        """A call was let through; also which one that tries it is, 0 where all may pass."""
        if not self.open:
            return self, 0
        number = self.tries + 1
        return replace(self, tries=number, trying=number), number

    def given_back(self, number: int) -> "Breaker":
        """The call that was let through asked nobody after all."""
        return replace(self, trying=0) if number == self.trying else self

    def answered(self) -> "Breaker":
        """The platform took a call, or refused it."""
        return Breaker(tries=self.tries)

    def failed(self, now: float, number: int) -> "Breaker":
        """A request did not reach the platform, or brought no answer that can be read.

        Args:
            now: the time.
            number: what `asked` said. Calls of before it opened that fail late say nothing new.
        """
        failures = self.failures + 1
        since = self.failing_since if self.failures else now
        tried = number > 0 and number == self.trying
        if not tried and (self.open or failures < FAILURES):
            return replace(self, failures=failures, failing_since=since)
        pause = Backoff(FIRST_PAUSE, LONGEST_PAUSE).wait_after(self.opened + 1)
        return Breaker(failures, since, self.opened + 1, now + pause, self.tries)
