"""Writes that wait for each other: what comes while one transaction runs goes into the next one.

The pause between two grows with what comes, so that a storm costs few transactions and a single thing waits for nobody.
Nothing is lost while the database is away, up to a bound.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from dialplane.logs import log_unexpected
from dialplane.services.elevator.gateway.metrics import BACKLOG, DROPPED
from dialplane.store import StoreError, StoreUnavailable
from dialplane.tasks import Backoff

T = TypeVar("T")

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(0.2, 5, least=0.5)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How things are gathered."""

    gather: float = 0.02
    """Seconds from the first thing to its transaction."""
    pause_each: float = 0.003
    """Seconds of pause after a transaction, for each thing in it."""
    pause: float = 0.3
    """Seconds of pause at most."""
    limit: int = 200
    """Things in one transaction."""
    most: int = 20_000
    """Things that wait; of more the oldest are dropped."""


class Batches(Generic[T]):
    """Hands things on in batches, in order, one batch at a time."""

    def __init__(self, what: str, write: Callable[[Sequence[T]], Awaitable[None]], rhythm: Rhythm) -> None:
        """Give batches to `write`; where it raises StoreUnavailable, it gets the same again later.

        Where it raises another StoreError, it gets each thing by itself, and what is refused then is dropped.
        """
        self._what = what
        self._write = write
        self._rhythm = rhythm
        self._waiting: list[T] = []
        self._wake = asyncio.Event()
        self._failures = 0
        self._writes = False

    @property
    def busy(self) -> bool:
        """Whether something waits to be written, or is being written."""
        return bool(self._waiting) or self._writes

    def add(self, thing: T) -> None:
        """Take one more. Never waits."""
        if len(self._waiting) >= self._rhythm.most:
            oldest = self._rhythm.most // 100 or 1
            del self._waiting[:oldest]
            DROPPED.labels(f"backlog of {self._what}").inc(oldest)
        self._waiting.append(thing)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        rhythm = self._rhythm
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(rhythm.gather)
            while self._waiting:
                size = await self._turn()
                await asyncio.sleep(min(rhythm.pause, rhythm.pause_each * size))
            BACKLOG.labels(self._what).set(0)

    async def flush(self) -> None:
        """Write what waits, at the end; what the database refuses now is lost."""
        batch, self._waiting = self._waiting, []
        if batch:
            with suppress(StoreError):
                await self._write(batch)

    async def _turn(self) -> int:
        """Write one batch; return how many things it had."""
        batch = self._waiting[: self._rhythm.limit]
        BACKLOG.labels(self._what).set(len(self._waiting))
        del self._waiting[: len(batch)]
        self._writes = True
        try:
            await self._write(batch)
            self._failures = 0
        except asyncio.CancelledError:  # it may have been written: twice is the same as once
            self._waiting[:0] = batch
            raise
        except StoreUnavailable as error:
            self._waiting[:0] = batch
            self._failures += 1
            wait = BACKOFF.wait_after(self._failures)
            if self._failures == 1:
                log.warning("database unavailable", writing=self._what, reason=str(error), retry_seconds=round(wait, 1))
            await asyncio.sleep(wait)
        except StoreError as error:
            await self._apart(batch, error)
        except Exception as error:  # noqa: BLE001 -- the others go on
            log_unexpected(f"{self._what} of devices not written", error)
            DROPPED.labels("unexpected").inc(len(batch))
        finally:
            self._writes = False
        return len(batch)

    async def _apart(self, batch: Sequence[T], error: StoreError) -> None:
        """The database refuses one of them, for good: the others are written."""
        if len(batch) == 1:
            log.error("not written", what=self._what, reason=str(error))
            DROPPED.labels("refused by the database").inc()
            return
        for each in batch:
            try:
                await self._write([each])
            except StoreUnavailable:
                self._waiting.append(each)
            except StoreError as its_own:
                await self._apart([each], its_own)
