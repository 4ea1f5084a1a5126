"""Sends callers on who stay in the application of a bot: it died or hung between the admission and the talk.

In a talk no caller is there: Asterisk bridges him by itself, and sends him on when his bot is gone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import SecretStr

from dialplane.asterisk.ari_callers import AriCallers
from dialplane.asterisk.errors import Unreachable
from dialplane.services.voicebot.leader import metrics
from dialplane.services.voicebot.reported import APPLICATION_PREFIX
from dialplane.tasks import wait_at_most

log = structlog.get_logger(__name__)

PATIENCE_SECONDS: Final = 2.0
"""How long an admission may take; it takes some milliseconds."""
LOOK_SECONDS: Final = 1.0
CLOSE_LOOK_SECONDS: Final = 0.25
"""While any caller is there."""
AGAIN_SECONDS: Final = 5.0
"""After ARI did not answer."""
MEDIA: Final = "WebSocket/"
"""What the names of the bots' own channels begin with."""


@dataclass(frozen=True, slots=True)
class AriAccount:
    """Where ARI is, and the account."""

    url: str
    username: str
    password: SecretStr


class CallerWatch:
    """Watches the callers at one Asterisk, whichever is wanted."""

    def __init__(self, leads: Callable[[], bool], *, patience: float = PATIENCE_SECONDS) -> None:
        """Send callers on only while `leads` says so."""
        self._leads = leads
        self._patience = patience
        self._account: AriAccount | None = None
        self._new = asyncio.Event()
        self._since: dict[str, float] = {}
        self._media: set[str] = set()
        self._trouble = ""

    def want(self, account: AriAccount | None) -> None:
        """Watch there from now on; None: nowhere."""
        if account != self._account:
            self._account = account
            self._new.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._new.clear()
            account = self._account
            if account is None:
                await self._new.wait()
                continue
            self._since, self._media = {}, set()
            async with AriCallers(account.url, account.username, account.password) as ari:
                while not self._new.is_set():
                    await wait_at_most(self._new, await self._look(ari))

    async def _look(self, ari: AriCallers) -> float:
        """Look once; return in how many seconds to look again."""
        try:
            waiting = await self.look(ari, asyncio.get_running_loop().time())
        except Unreachable as error:
            if str(error) != self._trouble:
                log.warning("callers of bots are not watched", reason=str(error))
            self._trouble = str(error)
            return AGAIN_SECONDS
        self._trouble = ""
        return CLOSE_LOOK_SECONDS if waiting else LOOK_SECONDS

    async def look(self, ari: AriCallers, time: float) -> bool:
        """Send on who has been there for too long; return whether any caller is there.

        Args:
            ari: where.
            time: seconds of a clock that nobody sets.

        Raises:
            Unreachable: look again.
        """
        applications = await ari.applications()
        there = {
            channel
            for name, channels in applications.items()
            if name.startswith(APPLICATION_PREFIX)
            for channel in channels
        }
        self._media &= there
        self._since = {channel: self._since.get(channel, time) for channel in there - self._media}
        for channel, since in list(self._since.items()):
            if time - since >= self._patience and self._leads():
                await self._send_on(ari, channel)
        return bool(self._since)

    async def _send_on(self, ari: AriCallers, channel: str) -> None:
        name = await ari.channel_name(channel)
        if name is not None and name.startswith(MEDIA):
            self._media.add(channel)
            del self._since[channel]
        elif name is not None and await ari.go_on(channel):
            metrics.RELEASED.inc()
            log.warning("caller sent on", channel=channel, reason="his bot did not take him within 2 s")
