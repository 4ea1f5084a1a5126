"""Removes what dead processes have left in Asterisk: media channels that no socket was opened for, bridges of probes.

What is in use is left alone: a channel in a call has left its application, and a set-up or a probe takes seconds. So
what two looks find in the same place, a minute apart, is nobody's.
"""

import asyncio
from typing import Final

import structlog

from dialplane.asterisk.ari import Ari
from dialplane.asterisk.errors import AsteriskError
from dialplane.services.voicebot.bot.probe import PREFIX as PROBE

log = structlog.get_logger(__name__)

PREFIX: Final = "dpbot-"
"""Begins the id of every media channel of ours."""
APART: Final = 60.0
"""Seconds between two looks."""
_WAITING: Final = frozenset({"Stasis", "AppDial2", ""})
"""Where a media channel is before it is in a call."""


class Sweep:
    """Looks again and again."""

    def __init__(self, *, apart: float = APART) -> None:
        """Look every `apart` seconds."""
        self._apart = apart
        self._seen: set[str] = set()

    async def run(self, ari: Ari) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self._look(ari)
            except AsteriskError:  # whoever keeps the application open says so
                self._seen.clear()
            await asyncio.sleep(self._apart)

    async def _look(self, ari: Ari) -> None:
        channels = {each.id for each in await ari.channels() if each.id.startswith(PREFIX) and each.running in _WAITING}
        bridges = {each for each in await ari.bridges() if each.startswith(PROBE)}
        for channel in channels & self._seen:
            log.info("left-over media channel removed", channel=channel)
            await ari.hang_up(channel)
        for bridge in bridges & self._seen:
            log.info("left-over bridge removed", bridge=bridge)
            await ari.destroy_bridge(bridge)
        self._seen = channels | bridges
