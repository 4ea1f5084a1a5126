"""Who is silent for too long: an open connection is no sign of life. Writes last-heard once a minute, for all."""

import asyncio
from typing import Final

import structlog

from dialplane.services.elevator.gateway.connects import Connections
from dialplane.services.elevator.gateway.dispatch import Dispatcher
from dialplane.services.elevator.gateway.session import DeviceClose
from dialplane.store import StoreError

log = structlog.get_logger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks at all connections; one costs a millisecond for ten thousand."""
HELLO_WITHIN: Final = 2.0
"""How long commands wait for the first word of a device: with it, it may say that it acknowledges."""
FLUSH_EVERY: Final = 60
COMPARE_EVERY: Final = 15
"""In looks."""
STALL: Final = 1.0
"""Seconds by which a look is late where this process did not run: nobody knows who was silent meanwhile."""


class Silence:
    """Looks at the connections of this process."""

    def __init__(self, connections: Connections, dispatcher: Dispatcher) -> None:
        self._connections = connections
        self._dispatcher = dispatcher
        self._resumed = 0.0
        """Since when this process has run without interruption."""

    async def run(self) -> None:
        """Look until cancelled."""
        looks, time = 0, asyncio.get_running_loop().time
        while True:
            begun = time()
            await asyncio.sleep(LOOK)
            looks += 1
            if time() - begun > LOOK + STALL:
                self._resumed = time()
            self.look(time())
            try:
                if looks % FLUSH_EVERY == 0:
                    await self._connections.note_heard()
                if looks % COMPARE_EVERY == 0:
                    await self._connections.compare()
            except StoreError as error:
                log.warning("last-heard not written", reason=str(error))

    def look(self, now: float) -> None:
        """Close the connections of those that are silent, and let commands go to those that may have them by now."""
        settled = False
        connections = self._connections
        for session in list(connections.sessions.values()):
            if now - max(session.heard, self._resumed) >= session.profile.timeout_seconds:
                session.close(DeviceClose.SILENT)
            elif session.name not in connections.epochs and (session.spoke or now - session.opened >= HELLO_WITHIN):
                settled = connections.settle(session) or settled
        if settled:
            self._dispatcher.wake()
        connections.end_takeovers()
