"""How callbacks ended, written down together: a thousand a second cost a few transactions."""

import asyncio
from datetime import datetime
from typing import Final

import structlog

from dialplane.services.elevator.tables import callbacks
from dialplane.store import Store, StoreError

log = structlog.get_logger(__name__)

GATHER_SECONDS: Final = 0.02
AGAIN_SECONDS: Final = 2.0


class CallbackOutcomes:
    """Writes while `run` runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[int, tuple[datetime | None, asyncio.Future[None]]] = {}
        self._work = asyncio.Event()

    async def note(self, seq: int, again_at: datetime | None) -> None:
        """Return once it is written how a callback ended.

        Args:
            seq: of the callback.
            again_at: when it is tried again; None: it is done with.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[seq] = again_at, written
        self._work.set()
        await written

    async def run(self) -> None:
        """Write until cancelled, whatever the store does."""
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(GATHER_SECONDS)
            batch, self._waiting = self._waiting, {}
            await self._write(batch)

    async def _write(self, batch: "dict[int, tuple[datetime | None, asyncio.Future[None]]]") -> None:
        done = [seq for seq, (again_at, _) in batch.items() if again_at is None]
        postponed = {seq: again_at for seq, (again_at, _) in batch.items() if again_at is not None}
        while True:
            try:
                await self._store.call(callbacks.settle, done, postponed)
            except StoreError as error:
                log.warning("callbacks wait for the store", reason=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                break
        for _, written in batch.values():
            if not written.done():
                written.set_result(None)
