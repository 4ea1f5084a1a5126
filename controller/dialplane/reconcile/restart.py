"""Restarts Asterisk when the annotation asks for it, and not while a call is up.

The controller counts calls itself, over AMI: after `core stop gracefully` Asterisk would refuse every new call,
emergency calls too (facts). It counts again right before the stop, and leaves stop and start to the supervisor. What
proves a restart is Asterisk alone: it tells of another start, and a pass on the new connection ended well.

Once per value: each step is noted before it is taken, beside the rendered files, so that whoever leads next goes on
where this process ended. A controller that finds the value at its very first look has no part in it: Git may have
carried it for years.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Final

import structlog

from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.moment import Moment
from dialplane.asterisk.status import Traffic, traffic
from dialplane.logs import log_unexpected
from dialplane.plan.plan import Pbx
from dialplane.reconcile.config_dir import ConfigDirectoryError, NotLeading
from dialplane.reconcile.notes import Notes
from dialplane.reconcile.place import Place
from dialplane.reconcile.ports import Supervisor, SupervisorError
from dialplane.reconcile.restart_request import ANNOTATION, Phase, RestartRequest, moment
from dialplane.reconcile.session import Session
from dialplane.reconcile.settings import Timing
from dialplane.resources.asterisk import Restart
from dialplane.resources.snapshot import Snapshot

log = structlog.get_logger(__name__)

NOBODY: Final = (
    "nothing here can restart Asterisk: give `dialplane run` a --restart-command, or the operator an --asterisk-pod "
    "(the chart's rbac.restartAsterisk), then ask anew; or restart Asterisk by hand"
)
STOPPING: Final = "Asterisk is stopped and started, and verified then"
"""Also why nothing is Ready meanwhile."""
DONE: Final = "Asterisk has started since this was asked for, and was verified"
_EARLIER: Final = "before this was asked for"
"""Stands for the start of an Asterisk that was gone already when the request was seen."""
_SURE: Final = timedelta(seconds=2)
"""Asterisk tells its age in whole seconds."""


class _Answer(Enum):
    GO = auto()
    WAIT = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the manifest says now. `value` is empty where it asks for nothing."""

    name: str
    value: str
    how: Restart


class Restarts:
    """`run` carries out what `hear` was told of. `turn` is held by every pass: none is cut off by a stop."""

    def __init__(
        self,
        place: Place,
        supervisor: Supervisor | None,
        permit: Callable[[], None],
        turn: asyncio.Lock,
        timing: Timing,
        changed: Callable[[], None],
    ) -> None:
        self._place = place
        self._supervisor = supervisor
        self._permit = permit
        self._turn = turn
        self._timing = timing
        self._changed = changed
        self._news = asyncio.Event()
        self._asked: _Asked | None = None
        self._verified: Session | None = None
        self._ordered = ""
        """The value for which this very process told the supervisor."""

    def hear(self, snapshot: Snapshot, pbx: Pbx | None) -> None:
        """Take note of what the site's Asterisk resource asks for; called by every pass."""
        asked = _Asked("", "", Restart())
        if pbx is not None:
            resource = snapshot.resources.get(pbx.key)
            value = resource.annotations.get(ANNOTATION, "") if resource else ""
            asked = _Asked(pbx.key.name, value, pbx.spec.restart)
        self._asked = asked
        self._news.set()

    def verified(self, session: Session) -> None:
        """A pass ended well on this connection."""
        self._verified = session
        self._news.set()

    @property
    def request(self) -> RestartRequest | None:
        """The request that the manifest makes now, as far as it is known."""
        kept, asked = self._kept, self._asked
        same = kept and asked and kept.value and (kept.name, kept.value) == (asked.name, asked.value)
        return kept if same else None

    @property
    def under_way(self) -> bool:
        """Whether Asterisk was told to stop, and nothing has been verified on another start of it yet."""
        request, session = self.request, self._place.session
        if request is None or request.phase is not Phase.RESTARTING:
            return False
        return session is None or session.start.identity == request.start or self._verified is not session

    async def run(self) -> None:
        """Until cancelled. No fault ends it."""
        while True:
            self._news.clear()
            again = None
            try:
                await self._step()
                if self.request is not None and self.request.pending:
                    again = self._timing.drain_check
            except NotLeading:
                pass  # the next pass tells when this process leads
            except (AsteriskError, ConfigDirectoryError) as error:
                log.info("restart waits", error=str(error))
                again = self._timing.retry
            except Exception as error:  # noqa: BLE001 -- whatever it is, the site goes on
                log_unexpected("a restart failed", error)
                again = self._timing.retry
            with suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self._news.wait()

    @property
    def _kept(self) -> RestartRequest | None:
        return self._place.memory.notes.request if self._place.memory else None

    async def _step(self) -> None:
        memory, asked = self._place.memory, self._asked
        if memory is None or asked is None:
            return
        self._permit()
        kept, now = memory.notes.request, Moment.now()
        if kept is None or (asked.name and kept.name != asked.name):
            self._keep(memory.notes, RestartRequest(asked.name, asked.value, Phase.SKIPPED, now, now))
        elif not asked.value:
            if kept.phase is Phase.DRAINING:
                self._keep(memory.notes, kept.entered(Phase.SKIPPED, now))
        elif asked.value != kept.value:
            await self._begin(memory.notes, asked, now)
        elif kept.phase not in {Phase.SKIPPED, Phase.RESTARTED}:
            await self._go_on(memory.notes, asked, kept)

    async def _begin(self, notes: Notes, asked: _Asked, now: Moment) -> None:
        session = self._place.session
        start = session.start.identity if session else ""
        named, started = moment(asked.value), session.start.at if session else None
        if named is not None and started is not None and started > named + _SURE:
            start = _EARLIER  # somebody restarted it since
        request = RestartRequest(asked.name, asked.value, Phase.DRAINING, now, now, start)
        if start == _EARLIER:
            self._keep(notes, request.entered(Phase.RESTARTING, now, STOPPING))
        elif fault := await self._checked():
            self._keep(notes, request.entered(Phase.FAILED, now, fault))
        else:
            then = "restarts anyway, unless one is an emergency call" if asked.how.force else "gives up"
            message = f"waits until no call is up; after {asked.how.drain_seconds} s it {then}"
            self._keep(notes, request.entered(Phase.DRAINING, now, message))
        self._news.set()

    async def _checked(self) -> str:
        """Why a restart would fail, as far as that is known beforehand."""
        if self._supervisor is None:
            return NOBODY
        try:
            async with asyncio.timeout(self._timing.supervisor_limit):
                await self._supervisor.check()
        except SupervisorError as error:
            return str(error)
        except TimeoutError:
            return "the supervisor does not answer"
        return ""

    async def _go_on(self, notes: Notes, asked: _Asked, request: RestartRequest) -> None:
        session, now = self._place.session, Moment.now()
        start = session.start.identity if session else ""
        if session is not None and not request.start:
            started = session.start.moment
            anew = started is not None and started.since(request.asked) > -_SURE.total_seconds()
            request = replace(request, start=_EARLIER if anew else start)
            self._keep(notes, request)
        if session is not None and start != request.start:
            if self._verified is session:
                self._keep(notes, request.entered(Phase.RESTARTED, now, DONE))
            return
        match request.phase:
            case Phase.DRAINING:
                await self._drain(notes, asked, request, session)
            case Phase.RESTARTING:
                self._look_after(notes, request, now, back=session is not None)
            case _:
                pass  # given up, or failed: only another start of Asterisk changes that

    def _look_after(self, notes: Notes, request: RestartRequest, now: Moment, *, back: bool) -> None:
        """Asterisk has not started anew yet."""
        seconds = now.since(request.since)
        if seconds > self._timing.restart_limit:
            message = f"told to restart {seconds:.0f} s ago, Asterisk has not started anew: look at its supervisor"
            self._keep(notes, request.entered(Phase.FAILED, now, message))
        elif back and self._ordered != request.value and seconds > self._timing.supervisor_limit:
            # A controller that is gone noted this. If it did tell the supervisor, that would have shown by now.
            self._keep(notes, request.entered(Phase.DRAINING, now, "waits again: the controller was interrupted"))

    async def _drain(self, notes: Notes, asked: _Asked, request: RestartRequest, session: Session | None) -> None:
        now = await _traffic(session)
        answer = self._judge(asked, request, now)
        if answer is _Answer.GO:
            async with self._turn:
                if self._place.session is session and self._asked == asked:
                    await self._stop(notes, asked, request, session)
        elif answer is _Answer.GIVE_UP:
            left = "Asterisk could not say whether calls are up" if now is None else "calls were still up"
            cure = "ask anew at a quieter time, or set spec.restart.force"
            message = f"{left} after {asked.how.drain_seconds} s, so Asterisk was not restarted: {cure}"
            self._keep(notes, request.entered(Phase.GIVEN_UP, Moment.now(), message))

    def _judge(self, asked: _Asked, request: RestartRequest, now: Traffic | None) -> _Answer:
        if now is not None and not now.calls:
            return _Answer.GO
        if Moment.now().since(request.asked) < asked.how.drain_seconds:
            return _Answer.WAIT
        if not asked.how.force:
            return _Answer.GIVE_UP
        return _Answer.WAIT if now is not None and now.emergency else _Answer.GO

    async def _stop(self, notes: Notes, asked: _Asked, request: RestartRequest, session: Session | None) -> None:
        self._permit()
        stopping = request.entered(Phase.RESTARTING, Moment.now(), STOPPING)
        if self._supervisor is None:  # another controller, which had one, began this
            self._keep(notes, stopping.entered(Phase.FAILED, Moment.now(), NOBODY))
            return
        self._keep(notes, stopping)
        # The note took a moment, and waiting for the turn too: a call may have begun.
        if self._judge(asked, request, await _traffic(session)) is not _Answer.GO:
            self._keep(notes, request)
            return
        self._permit()
        try:
            async with asyncio.timeout(self._timing.supervisor_limit):
                await self._supervisor.restart()
            self._ordered = request.value
        except SupervisorError as error:
            self._keep(notes, stopping.entered(Phase.FAILED, Moment.now(), str(error)))
        except TimeoutError:
            message = f"the supervisor did not come to an end within {self._timing.supervisor_limit:g} s"
            self._keep(notes, stopping.entered(Phase.FAILED, Moment.now(), message))

    def _keep(self, notes: Notes, request: RestartRequest) -> None:
        before = notes.request
        notes.keep_request(request)
        if request.value and (before is None or (before.value, before.phase) != (request.value, request.phase)):
            log.info("restart", phase=str(request.phase), value=request.value, message=request.message)
        self._changed()


async def _traffic(session: Session | None) -> Traffic | None:
    """The calls that are up; None where Asterisk does not say."""
    with suppress(AsteriskError):
        return await traffic(session.ami) if session else None
    return None
