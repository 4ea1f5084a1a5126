"""PURE: notices two devices with one id, which take each other's place for ever."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 5
"""Takeovers from another address in `WITHIN` seconds that one device may have: it moves between networks."""
WITHIN: Final = 60.0
CALM: Final = 300.0
"""After so many seconds without one it is over."""


@dataclass(slots=True)
class _Story:
    """The takeovers of one device."""

    moments: deque[float] = field(default_factory=deque)
    addresses: set[str] = field(default_factory=set)
    twin: bool = False


class Takeovers:
    """The takeovers of all devices; times are in seconds of a clock that nobody sets."""

    def __init__(self) -> None:
        self._stories: dict[str, _Story] = {}

    def note(self, device: str, before: str, address: str, now: float) -> bool:
        """Note that a connection from `address` took the place of one from `before`.

        Returns:
            Whether this shows, for the first time, that there are two.
        """
        if before == address:
            return False
        story = self._stories.setdefault(device, _Story())
        story.moments.append(now)
        story.addresses |= {before, address}
        while story.moments[0] < now - WITHIN:
            story.moments.popleft()
        if story.twin or len(story.moments) <= MOST:
            return False
        story.twin = True
        return True

    def has_twin(self, device: str) -> bool:
        """Return whether two devices have this id."""
        story = self._stories.get(device)
        return story is not None and story.twin

    def addresses(self, device: str) -> frozenset[str]:
        """Return where they connect from."""
        story = self._stories.get(device)
        return frozenset(story.addresses if story else ())

    def end(self, now: float) -> list[str]:
        """Forget what is long ago; return the devices that have no twin any more."""
        over = [name for name, story in self._stories.items() if story.moments[-1] < now - CALM]
        return [name for name in over if self._stories.pop(name).twin]
