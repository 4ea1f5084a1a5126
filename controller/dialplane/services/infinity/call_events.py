"""What happens to calls, for those who follow one: what this process did, told as it is known.

What another process does is in the store alone: whoever follows a call looks there as well now and then.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dialplane.services.infinity.tables.calls import Call

KEPT_MOST: Final = 64
"""Changes that wait for one follower; more than a call has. The oldest go first."""


class CallEvents:
    """Passes changes of calls on. From the loop's thread alone."""

    def __init__(self) -> None:
        self._followers: dict[str, list[asyncio.Queue[Call]]] = {}

    def told(self, call: Call) -> None:
        """A call has changed; it is given as it is now."""
        for follower in self._followers.get(call.id, ()):
            if follower.full():
                follower.get_nowait()
            follower.put_nowait(call)

    @contextmanager
    def follow(self, call: str) -> Iterator[asyncio.Queue[Call]]:
        """Follow the call with this id, from now on: look at the store after that, and nothing is missed."""
        follower: asyncio.Queue[Call] = asyncio.Queue(KEPT_MOST)
        self._followers.setdefault(call, []).append(follower)
        try:
            yield follower
        finally:
            followers = self._followers[call]
            followers[:] = [other for other in followers if other is not follower]
            if not followers:
                del self._followers[call]
