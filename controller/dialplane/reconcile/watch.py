"""Keeps an eye on one Asterisk: the connection, what changes by itself, and its vital signs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from dialplane.asterisk.ami import AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Down, Up
from dialplane.asterisk.errors import AsteriskError, Unreachable
from dialplane.asterisk.live import LiveState, follow
from dialplane.asterisk.status import AsteriskStatus, asterisk_status
from dialplane.reconcile import metrics
from dialplane.reconcile.convergence import Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell: `connected` asks for a pass, `changed` for a report."""

    connected: Callable[[], None]
    changed: Callable[[], None]


class Watch:
    """Watches the Asterisk at `address`; enter it to begin, leave it to stop.

    `session` is None while there is no connection. `fault` says why only after `grace` seconds without one: what was
    proven a moment ago still counts, and a blip must not rewrite every status of the site.
    """

    def __init__(self, address: AmiAddress, notify: Notify, *, grace: float, refresh: float) -> None:
        self.address = address
        self.session: Session | None = None
        self.fault: Unreachable | None = Unreachable("not connected yet")
        self.live: LiveState | None = None
        self.status: AsteriskStatus | None = None
        self._notify = notify
        self._grace = grace
        self._refresh = refresh
        self._lost_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """`Asterisk.status.state`."""
        if self.session is not None:
            return "Normal"
        return "Unknown" if self.status is None else "Error"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"watch {self.address.host}:{self.address.port}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        async with AsteriskLink(self.address) as link, asyncio.TaskGroup() as tasks:
            following: asyncio.Task[None] | None = None
            async for state in link.changes():
                if following is not None:
                    following.cancel()
                match state:
                    case Up(ami):
                        self.session, self.fault, self._lost_at = Session(ami), None, None
                        metrics.connected.set(1)
                        following = tasks.create_task(self._follow(self.session))
                        self._notify.connected()
                    case Down(reason):
                        metrics.connected.set(0)
                        tried = self.session is not None or following is not None
                        self.session = None
                        (log.warning if tried else log.info)(
                            "asterisk is away", host=self.address.host, error=str(reason)
                        )
                        following = tasks.create_task(self._give_up(reason))
                        self._notify.changed()

    async def _give_up(self, reason: Unreachable) -> None:
        now = asyncio.get_running_loop().time()
        if self._lost_at is None:
            self._lost_at = now
        if self.fault is None:  # each attempt that fails comes by here; the grace runs from the first
            await asyncio.sleep(self._lost_at + self._grace - now)
        self.fault, self.live = reason, None
        self._notify.changed()

    async def _follow(self, session: Session) -> None:
        """Live state and vital signs as long as the connection lasts; a fault of either is the connection's end."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._vital_signs(session))
                async for change in follow(session.ami, self.live):
                    self.live = change.state
                    self._notify.changed()
        except* AsteriskError as errors:
            log.info("stopped following asterisk", error=str(errors.exceptions[0]))

    async def _vital_signs(self, session: Session) -> None:
        while True:
            self.status = await asterisk_status(session.ami)
            self._notify.changed()
            await asyncio.sleep(self._refresh)
