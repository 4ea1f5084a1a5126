"""Ends what is overdue, and forgets what is old."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import structlog

from dialplane.services.elevator.leader import metrics
from dialplane.services.elevator.tables import commands, gone, journal, spooled, uploads
from dialplane.store import Store

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
IDLE_SWEEPS: Final = 60
"""Of so many sweeps a site without devices has one: something may be left of those that it had."""
PRUNE_SECONDS: Final = 3600.0
COMMANDS_KEPT: Final = timedelta(days=90)
JOURNAL_KEPT: Final = timedelta(days=90)
JOURNAL_EACH: Final = 2000
"""Entries of one device."""
SPOOLED_KEPT: Final = timedelta(days=7)
"""So long an entry of the spool may be read again."""
GONE_KEPT: Final = timedelta(days=7)
"""How long a device that is there no more is remembered: it may come back."""


class Sweep:
    """The sweep of one site."""

    def __init__(
        self,
        store: Store,
        site: str,
        *,
        present: Callable[[], Collection[str] | None],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        """Name the site; only who `leads` sweeps; `present` are its devices, None while nobody has them."""
        self._store = store
        self._site = site
        self._present = present
        self._leads = leads
        self._now = now
        self._pruned_at: float | None = None

    async def run(self) -> None:
        """Sweep until cancelled.

        Raises:
            StoreError: run it again.
        """
        sweeps = 0
        while True:
            if self._leads() and (self._present() or sweeps % IDLE_SWEEPS == 0):
                await self.end_overdue()
                await self._prune_hourly()
            sweeps += 1
            await asyncio.sleep(SWEEP_SECONDS)

    async def end_overdue(self) -> int:
        """End the commands whose time is over; return how many there were."""
        ended = await self._store.call(commands.end_overdue, self._site, now=self._now())
        for each in ended:
            metrics.ENDED.labels(each.state).inc()
        if ended:
            log.info("commands ended", commands=len(ended))
        return len(ended)

    async def prune(self) -> None:
        """Forget what is old."""
        now, call, present = self._now(), self._store.call, self._present()
        old = {
            "commands": await call(commands.prune, self._site, now=now, older_than=COMMANDS_KEPT),
            "journal": await call(journal.prune, self._site, now=now, older_than=JOURNAL_KEPT, more_than=JOURNAL_EACH),
            "uploads": await call(uploads.prune, self._site, now=now),
            "spooled": await call(spooled.prune, self._site, now - SPOOLED_KEPT),
        }
        if present is not None:
            before = now - GONE_KEPT
            old["devices"] = await call(gone.forget, self._site, frozenset(present), before=before)
        if any(old.values()):
            log.info("old rows of devices forgotten", **old)

    async def _prune_hourly(self) -> None:
        time = asyncio.get_running_loop().time()
        if self._pruned_at is None or time - self._pruned_at >= PRUNE_SECONDS:
            self._pruned_at = time
            await self.prune()
