"""Keeps an eye on one Asterisk: the connection, what changes by itself, and its vital signs."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Down, Up
from dialplane.asterisk.errors import AsteriskError, NotConnectedYet, ShuttingDown, Unreachable
from dialplane.asterisk.live import LiveState, follow
from dialplane.asterisk.security import SecurityEvent, security_events
from dialplane.asterisk.status import AsteriskStatus, asterisk_start, asterisk_status, call_mark
from dialplane.reconcile.session import Session

log = structlog.get_logger(__name__)

FOLLOW_AGAIN_SECONDS = 5.0
SAMPLE_SECONDS = 5.0
"""Between two looks at the number of calls; no event that we receive tells of their end."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell: `connected` asks for a pass, `changed` for a report; `refused` hears of each refusal."""

    connected: Callable[[], None]
    changed: Callable[[], None]
    refused: Callable[[SecurityEvent], None]


class Watch:
    """Watches the Asterisk at `address`; enter it to begin, leave it to stop.

    `session` is None while there is no connection. `fault` says why only after `grace` seconds without one: what was
    proven a moment ago still counts, and a blip must not rewrite every status of the site. An Asterisk that says itself
    that it stops is believed at once. Once said it stands until `verified` is called: the Asterisk that answers now may
    be another one.
    """

    def __init__(self, address: AmiAddress, notify: Notify, *, grace: float, refresh: float) -> None:
        self.address = address
        self.session: Session | None = None
        self.fault: Unreachable | None = None
        self.live: LiveState | None = None
        self.status: AsteriskStatus | None = None
        self.resync = asyncio.Event()
        """Set it after what changes the live state without an event, such as a contact that was removed."""
        self._notify = notify
        self._grace = grace
        self._refresh = refresh
        self._lost_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """`Asterisk.status.state`."""
        if self.session is not None:
            return "Normal"
        return "Unknown" if self.status is None and self.fault is None else "Error"

    def verified(self) -> None:
        """The site was verified on this connection."""
        if self.session is not None:
            self.fault = None

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
                        try:
                            self.session = Session(ami, await asterisk_start(ami))
                        except AsteriskError as error:
                            log.warning("asterisk does not say when it started", error=str(error))
                            ami.close()
                            continue
                        following = tasks.create_task(self._attend(self.session))
                        self._notify.connected()
                    case Down(NotConnectedYet()):
                        pass
                    case Down(reason):
                        if self.session is not None:
                            self._lost_at = time.monotonic()
                        self.session = None
                        log.warning("asterisk is away", host=self.address.host, error=str(reason))
                        following = tasks.create_task(self._give_up(reason))
                        self._notify.changed()

    async def _give_up(self, reason: Unreachable) -> None:
        if self.fault is None and not isinstance(reason, ShuttingDown):
            await asyncio.sleep(self._lost_at + self._grace - time.monotonic())
        self.fault, self.live = reason, None
        self._notify.changed()

    async def _attend(self, session: Session) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(session))
            tasks.create_task(self._modules(session))
            tasks.create_task(self._guard(session.ami))

    async def _follow(self, session: Session) -> None:
        """Live state and vital signs as long as the connection lasts; after a fault of either, both anew in a while."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    signs = tasks.create_task(self._vital_signs(session))
                    async for change in follow(session.ami, self.live, resync=self.resync):
                        self.live = change.state
                        self._notify.changed()
                    signs.cancel()
            except* AsteriskError as errors:
                log.info("stopped following asterisk", error=str(errors.exceptions[0]))
            _cancelled_meanwhile()
            await asyncio.sleep(FOLLOW_AGAIN_SECONDS)

    async def _modules(self, session: Session) -> None:
        """With a module that was loaded or unloaded, all that was proven may be otherwise."""
        with session.ami.events("Load", "Unload") as events:
            while await events.batch():
                if self.session is not None and self.session.ami is session.ami:
                    self.session = Session(session.ami, session.start)
                    self._notify.connected()

    async def _guard(self, ami: Ami) -> None:
        with contextlib.suppress(Unreachable):
            async for event in security_events(ami):
                self._notify.refused(event)

    async def _vital_signs(self, session: Session) -> None:
        """Asked for in full once in `refresh` seconds, and when the number of calls changes.

        A report is asked for at most as often: numbers in a status change at most once a minute.
        """
        told: AsteriskStatus | None = None
        mark: tuple[str, str] | None = None
        told_at = asked_at = -self._refresh
        while True:
            now, before = time.monotonic(), mark
            mark = await call_mark(session.ami)
            if mark != before or now - asked_at >= self._refresh:
                self.status, asked_at = await asterisk_status(session.ami), now
            if self.status != told and now - told_at >= self._refresh:
                told, told_at = self.status, now
                self._notify.changed()
            await asyncio.sleep(min(SAMPLE_SECONDS, self._refresh))


def _cancelled_meanwhile() -> None:
    """Go on being cancelled: before Python 3.13 a task group that fails forgets that it was cancelled too."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
