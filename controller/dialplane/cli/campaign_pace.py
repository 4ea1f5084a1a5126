"""PURE: how fast a campaign gets on, out of what was seen of it lately."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

WINDOW: Final = 120.0
"""Seconds that count."""
LEAST: Final = 10.0
"""Seconds to have watched before anything is said."""


class Pace:
    """Takes each look at a campaign, with its moment in seconds of any clock."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, int]] = deque()

    def look(self, moment: float, progress: Mapping[str, Any]) -> None:
        """One more look."""
        self._looks.append((moment, progress["dialed"], progress["remaining"]))
        while len(self._looks) > 2 and moment - self._looks[1][0] >= WINDOW:  # noqa: PLR2004 -- one before the window
            self._looks.popleft()

    @property
    def calls_a_minute(self) -> float | None:
        """Calls begun; None where it is not known yet."""
        span = self._span()
        return (self._looks[-1][1] - self._looks[0][1]) * 60.0 / span if span else None

    @property
    def seconds_left(self) -> float | None:
        """At the pace of lately; None where it is not known, or nothing moves."""
        span = self._span()
        done = self._looks[0][2] - self._looks[-1][2] if span else 0
        return self._looks[-1][2] * span / done if span and done > 0 else None

    def _span(self) -> float:
        """Seconds from the first look to the last, 0 where that is too little to tell."""
        if not self._looks:
            return 0.0
        span = self._looks[-1][0] - self._looks[0][0]
        return span if span >= LEAST else 0.0
