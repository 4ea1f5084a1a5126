"""Events on their way to one consumer, with bounded memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from dialplane.asterisk import metrics
from dialplane.asterisk.message import Event, Gap


class Subscription:
    """The events since `Ami.events` was called; ends when the connection ends. Leave the `with` to unsubscribe.

    Where the consumer falls behind by more than the limit, all that waits is dropped and a `Gap` comes instead, before
    whatever happens afterwards: after a Gap, ask for the whole state.
    """

    def __init__(self, names: frozenset[str], limit: int, leave: Callable[["Subscription"], None]) -> None:
        self._names = names
        self._limit = limit
        self._leave = leave
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._ended = False
        self._news = asyncio.Event()

    def offer(self, event: Event) -> None:
        """Take an event if it is wanted; called by the connection, never blocks."""
        if self._names and event.name not in self._names:
            return
        if len(self._waiting) >= self._limit:
            self._lost += len(self._waiting)
            metrics.EVENTS_DROPPED.inc(len(self._waiting))
            self._waiting.clear()
        self._waiting.append(event)
        self._news.set()

    def end(self) -> None:
        """No event follows; those that wait are still delivered."""
        self._ended = True
        self._news.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(self)
        self.end()

    async def batch(self) -> list[Event | Gap]:
        """Wait for an event, return all that wait; empty when the connection has ended."""
        try:
            first = await anext(self)
        except StopAsyncIteration:
            return []
        rest, self._waiting = self._waiting, deque()
        return [first, *rest]

    def __aiter__(self) -> AsyncIterator[Event | Gap]:
        return self

    async def __anext__(self) -> Event | Gap:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return Gap(lost)
        return self._waiting.popleft()
