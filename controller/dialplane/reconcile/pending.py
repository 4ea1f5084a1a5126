"""How long changes wait: from the moment one is seen to the moment its verdict is told."""

import time
from collections.abc import Callable

from dialplane.reconcile import metrics

Clock = Callable[[], float]


class Lag:
    """For a front door: from the first change that no snapshot has to the snapshot that has it."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None

    def seen(self) -> None:
        """Something changed."""
        if self._since is None:
            self._since = self._clock()

    def taken(self) -> None:
        """A snapshot has everything that was seen."""
        if self._since is not None:
            metrics.event_lag.observe(self._clock() - self._since)
            self._since = None


class Pending:
    """For the site loop: the eldest change whose verdict is not told yet, by how far it has come."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seen: float | None = None
        self._taken: float | None = None
        self._judged: float | None = None
        self._telling: float | None = None

    @property
    def seconds(self) -> float:
        """How long the eldest one waits; 0 where none does."""
        waiting = [since for since in (self._seen, self._taken, self._judged, self._telling) if since is not None]
        return self._clock() - min(waiting) if waiting else 0.0

    def seen(self) -> None:
        """The site changed."""
        self._seen = _elder(self._seen, self._clock())

    def taken(self) -> None:
        """A pass works on all that was seen."""
        self._taken, self._seen = _elder(self._taken, self._seen), None

    def judged(self) -> None:
        """That pass has come to its end: what it worked on has a verdict."""
        self._judged, self._taken = _elder(self._judged, self._taken), None

    def telling(self) -> None:
        """The verdicts, as they are now, are about to be published."""
        self._telling, self._judged = _elder(self._telling, self._judged), None

    def told(self) -> None:
        """They are published."""
        if self._telling is not None:
            metrics.change_seconds.observe(self._clock() - self._telling)
            self._telling = None


def _elder(one: float | None, other: float | None) -> float | None:
    return min((since for since in (one, other) if since is not None), default=None)
