"""PURE: when to try again what failed, ever more rarely up to a limit; nothing is ever given up."""

from dataclasses import dataclass

from dialplane.tasks import Backoff


@dataclass(slots=True)
class Patience:
    """Of one thing; seconds, those of a moment by the loop's clock."""

    backoff: Backoff
    due: float = 0.0
    """Not before."""
    why: str = ""
    """Why it failed last; empty while it works."""
    _failures: int = 0

    def failed(self, now: float, why: str) -> None:
        """Wait, twice as long as before."""
        self._failures += 1
        self.due, self.why = now + self.backoff.wait_after(self._failures), why

    def worked(self, due: float = 0.0) -> None:
        """It works; look at it again at `due`."""
        self.due, self.why, self._failures = due, "", 0
