"""PURE: when to try again what failed, ever more rarely up to a limit; nothing is ever given up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Patience:
    """Of one thing; seconds, those of a moment by the loop's clock."""

    first: float
    """The wait after the first failure; it doubles with each that follows."""
    longest: float
    due: float = 0.0
    """Not before."""
    why: str = ""
    """Why it failed last; empty while it works."""
    _failures: int = 0

    def failed(self, now: float, why: str) -> None:
        """Wait, twice as long as before."""
        self.due, self.why = now + min(self.first * 2.0**self._failures, self.longest), why
        self._failures = min(self._failures + 1, 30)

    def worked(self, due: float = 0.0) -> None:
        """It works; look at it again at `due`."""
        self.due, self.why, self._failures = due, "", 0
