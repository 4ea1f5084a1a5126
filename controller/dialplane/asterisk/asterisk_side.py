"""Serves on the site's Asterisk, whichever it is now."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import AsteriskError
from dialplane.tasks import Follower

log = structlog.get_logger(__name__)

AGAIN_SECONDS: Final = 2.0


class AsteriskSide:
    """One connection, to the Asterisk that is wanted."""

    def __init__(self, serve: Callable[[Ami], Awaitable[None]], *, purpose: str, events: str) -> None:
        """Name what is to be done.

        Args:
            serve: called for each connection; it returns when that has ended.
            purpose: what it does, for the log.
            events: the classes of events of AMI that it needs.
        """
        self._serve = serve
        self._purpose = purpose
        self._events = events
        self._addresses: Follower[AmiAddress] = Follower(self._serve_at)

    def want(self, address: AmiAddress | None) -> None:
        """Serve there from now on; None: nowhere."""
        self._addresses.want(address)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._addresses.run()

    async def _serve_at(self, address: AmiAddress) -> None:
        async with AsteriskLink(address, events=self._events) as link:
            while True:
                ami = await link.up()
                try:
                    await self._serve(ami)
                except AsteriskError as error:
                    log.info("stopped at Asterisk for now", purpose=self._purpose, error=str(error))
                if isinstance(link.state, Up) and link.state.ami is ami:
                    await asyncio.sleep(AGAIN_SECONDS)
