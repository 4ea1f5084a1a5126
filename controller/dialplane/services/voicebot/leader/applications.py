"""The list of open applications in Asterisk's own database (`DB(dpbot/apps)`): where the dialplan looks for a bot.

It is kept true while a leader is there. Without one the dialplan goes on with what it says: an application that is no
more is passed over.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import structlog

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.plan.dialplan.voice_bots import APPLICATIONS
from dialplane.services.contract import ReplicaState
from dialplane.services.voicebot.leader import metrics
from dialplane.services.voicebot.leader.bots import readable
from dialplane.services.voicebot.reported import APPLICATION, APPLICATION_PREFIX, ApplicationState

log = structlog.get_logger(__name__)

FAMILY, KEY = APPLICATIONS.split("/")
BETWEEN: Final = "&"
LONGEST: Final = 3900
"""Characters of the list: a value of the dialplan has 4,095."""
RESYNC_SECONDS: Final = 10.0
"""Between two looks at what Asterisk has, though nothing changed."""


def open_applications(states: Mapping[str, Sequence[ReplicaState]]) -> frozenset[str]:
    """Return the names of the applications that take calls, by what living replicas report. Pure."""
    found = readable(ApplicationState.from_json, states.get(APPLICATION, ()))
    return frozenset(each.name for each in found if each.open and each.name.startswith(APPLICATION_PREFIX))


def listed(names: Collection[str]) -> str:
    """Return the list as the dialplan reads it; of too many names it has the first. Pure."""
    value = BETWEEN.join(sorted(names))
    return value if len(value) <= LONGEST else value[: value.rindex(BETWEEN, 0, LONGEST)]


class ApplicationList:
    """Keeps the list at one Asterisk."""

    def __init__(self, wanted: Callable[[], Collection[str] | None], leads: Callable[[], bool]) -> None:
        """Have those applications in it that `wanted` returns; while that is None nobody knows, and nothing is done."""
        self._wanted = wanted
        self._leads = leads
        self._news = asyncio.Event()
        self.written: str | None = None
        """What the list was when it was last looked at."""

    def wake(self) -> None:
        """Look now, where other applications are open than the list has."""
        names = self._wanted()
        if names is not None and listed(names) != self.written:
            self._news.set()

    async def serve(self, ami: Ami) -> None:
        """Keep the list true until the connection ends.

        Raises:
            AsteriskError: it ended, or Asterisk refuses.
        """
        closed: asyncio.Future[Any] = asyncio.ensure_future(ami.closed())
        try:
            while not closed.done():
                self._news.clear()
                await self._write(ami)
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({closed, news}, timeout=RESYNC_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
        finally:
            closed.cancel()

    async def _write(self, ami: Ami) -> None:
        names = self._wanted()
        if names is None or not self._leads():
            return
        value = listed(names)
        there = {each.key: each.value for each in await database.entries(ami, FAMILY)}.get(KEY, "")
        if there != value:
            if value:
                await database.put(ami, FAMILY, KEY, value)
            else:
                await database.remove(ami, FAMILY, [KEY])
            log.info("applications of bots", applications=sorted(names))
        self.written = value
        metrics.APPLICATIONS.set(len(names))
