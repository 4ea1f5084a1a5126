"""Making one Asterisk run what a snapshot asks, as far as it takes it: attempts, and what each refusal means."""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.modules import sentence
from dialplane.asterisk.status import AsteriskStatus, busy_contexts
from dialplane.plan.authorities import trusted, verifies
from dialplane.plan.dialplan.retained import entered, retained, routines
from dialplane.plan.objects import KEYS, PjsipType
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.plan.render import EXTENSIONS
from dialplane.reconcile import metrics
from dialplane.reconcile.config_dir import ConfigDirectory
from dialplane.reconcile.convergence import converge
from dialplane.reconcile.lookups import note_transports, without_lookups
from dialplane.reconcile.memory import Memory
from dialplane.reconcile.notes import verification
from dialplane.reconcile.place import Place
from dialplane.reconcile.put_off import PutOff
from dialplane.reconcile.report import Findings, LastReload
from dialplane.reconcile.session import Outcome, Session, Task
from dialplane.reconcile.settings import Timing
from dialplane.reconcile.verified import Refusal
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5
"""How often one pass goes back to verified versions, each time for something else that Asterisk refused."""

WHOLE = "Asterisk does not take the dialplan as a whole; the last good one goes on serving"


@dataclass(frozen=True, slots=True)
class Served:
    """How a pass ended."""

    plan: Plan
    findings: Findings
    modules: tuple[str, ...]
    unfinished: bool
    """Another pass may bring more."""


class Serving:
    """Makes the Asterisk of a place run plans; one at a time."""

    def __init__(
        self, place: Place, planner: Planner, timing: Timing, permit: Callable[[], None], *, overlay: bool
    ) -> None:
        """Serve `place`; `overlay` where the shipped templates lay PJSIP out: its objects are all there is to it."""
        self._place = place
        self._planner = planner
        self._reload_seconds = timing.reload_limit
        self._overlay_from = timing.overlay_from if overlay else sys.maxsize
        self._put_off = PutOff(timing.settle_after, timing.settle_latest)
        self._permit = permit
        self._retained = ""
        self.last_reload: LastReload | None = None
        """Of this process."""
        self.busy = False
        """While files are being written: their looks say nothing."""
        self.held_up = False
        """Whether modems wait for the end of a call: to be looked at again, now and then."""

    @property
    def refused(self) -> Mapping[Key, Refusal]:
        """What Asterisk refused, as far as nobody changed it."""
        return dict(self._place.memory.refused) if self._place.memory else {}

    def steady(self, facts: AsteriskStatus | None) -> AsteriskStatus | None:
        """With a start that is the same over every connection: Asterisk tells its age to a second only."""
        memory = self._place.memory
        if facts is None or memory is None:
            return facts
        return replace(facts, start=memory.notes.meet(facts.start))

    @property
    def reload_due(self) -> bool:
        """Whether a reload that was put off should be made now."""
        return self._put_off.due

    @property
    def retains(self) -> bool:
        """Whether routines of an older version are kept for calls in them."""
        return bool(self._retained)

    async def planned(self, snapshot: Snapshot) -> Plan:
        """The plan, with verified versions in place of refused ones."""
        memory = self._place.memory
        held = memory.held(snapshot) if memory else {}
        with metrics.phase.labels("plan").time():
            return await asyncio.to_thread(self._planner.plan, snapshot, held, self._retained)

    async def held(self, snapshot: Snapshot, plan: Plan) -> Plan:
        """`plan`, made again if the memory, perhaps just opened, says that something in it was refused.

        Or if something was that deserves another try.
        """
        memory, session = self._place.memory, self._place.session
        if memory is None:
            return plan
        again = False
        if session is not None and plan.pbx is not None:
            pbx = snapshot.resources.get(plan.pbx.key)
            again = memory.notes.changed(session.start, pbx) and bool(memory.refused)
            if again:
                memory.reconsider()
        return await self.planned(snapshot) if again or memory.held(snapshot) else plan

    async def write(self, snapshot: Snapshot, plan: Plan) -> Plan:
        """Only write; Asterisk, which is away, reads it when it comes back, or is told then.

        It may be the connection alone that is away. So every routine that calls may be in is kept.
        """
        directory, memory = self._opened()
        old = await _dialplan(directory)
        kept = retained(old, routines(old), {context.name for context in plan.objects.contexts})
        if kept != self._retained:
            self._retained = kept
            plan = await self.planned(snapshot)
        plan = memory.notes.stand_in(plan) or plan
        self.busy = True
        try:
            todo = await asyncio.to_thread(directory.differing, plan.files)
            memory.notes.writing(todo, memory.objects())
            memory.notes.trusting(trusted(plan.objects), memory.objects())
            note_transports(memory.notes, plan, todo)
            with metrics.phase.labels("write").time():
                await asyncio.to_thread(directory.carry_out, todo, plan.files)
        finally:
            self._place.sign(plan.files)
            self.busy = False
        return plan

    async def serve(self, session: Session, snapshot: Snapshot, plan: Plan) -> Served:
        """Make the Asterisk of `session` run `plan`.

        Raises:
            ConfigDirectoryError, NotLeading, AsteriskError: as `converge`.
        """
        directory, memory = self._opened()
        if self._place.touched:
            session.proven.clear()  # whoever changed the files may have had Asterisk read them
        self.busy = True
        try:
            plan = await self._with_routines_in_use(session, directory, snapshot, plan)
            reloads: list[str] = []
            session.read.clear()
            for _ in range(ATTEMPTS):
                serving = memory.notes.stand_in(plan)
                outcome = await self._attempt(session, directory, memory, serving or plan, stand_in=serving is not None)
                reloads += [result.module for result in outcome.reloads]
                again = memory.judge(snapshot, serving or plan, outcome)
                if outcome.dialplan_refused and serving is None:
                    if not memory.blame_the_only_change(snapshot, plan):
                        memory.notes.refuse_dialplan(plan)
                    again = True
                elif serving is None and None not in outcome.mismatches:
                    memory.notes.take_dialplan(plan)
                if not again:
                    break
                plan = await self.planned(snapshot)
            memory.notes.all_read(but=outcome.put_off)
            plan = serving or plan
        finally:
            self._place.sign(plan.files)
            self.busy = False
        self.held_up = bool(outcome.held_up)
        findings = self._findings(session, memory, plan, outcome, stand_in=serving is not None)
        return Served(plan, findings, tuple(reloads), again or bool(outcome.undeleted))

    async def _attempt(
        self, session: Session, directory: ConfigDirectory, memory: Memory, plan: Plan, *, stand_in: bool
    ) -> Outcome:
        todo = await asyncio.to_thread(directory.differing, plan.files)
        earlier = memory.objects()
        there = session.proven.keys() | earlier.keys()
        memory.notes.writing(todo, there)
        memory.notes.trusting(trusted(plan.objects), there)
        note_transports(memory.notes, plan, todo)
        endpoints = sum(item.type is PjsipType.ENDPOINT for item in plan.objects.pjsip)
        task = Task(
            plan=plan,
            todo=todo,
            unread=memory.notes.unread(session.start) - session.read,
            earlier=earlier,
            reload_seconds=self._reload_seconds,
            permit=self._permit,
            stand_in=stand_in,
            overlay=endpoints >= self._overlay_from and not self._put_off.due,
        )
        transports = {f"transport {o.id}" for o in plan.objects.pjsip if o.type is PjsipType.TRANSPORT}
        had = {name.replace("/", " ", 1) for name in (*session.proven, *task.earlier) if name.startswith("transport/")}
        memory.notes.removed(had - transports, transports)
        known = session.complete
        session.reloading, started = "", time.monotonic()
        try:
            outcome = await converge(session, directory, task)
        except AsteriskError as error:
            if session.reloading:
                duration = round((time.monotonic() - started) * 1000)
                said = f"unanswered: {error}"
                self.last_reload = LastReload(datetime.now(UTC), (session.reloading,), duration, said)
            raise
        session.read |= task.unread - outcome.put_off
        if not outcome.put_off:
            self._put_off.made()
        elif not outcome.put_off.isdisjoint(todo.paths):
            self._put_off.put()
        if self._place.watch is not None and (outcome.reloads or not known):
            self._place.watch.resync.set()  # contacts that were dropped send no event (facts)
        if outcome.reloads:
            differing = sum(map(len, (*outcome.mismatches.values(), *outcome.waiting.values())))
            self.last_reload = LastReload(
                datetime.now(UTC),
                tuple(dict.fromkeys(result.module for result in outcome.reloads)),
                round(outcome.seconds * 1000),
                f"{differing} differences from what was rendered" if differing else str(Reason.VERIFIED),
            )
        return outcome

    async def _with_routines_in_use(
        self, session: Session, directory: ConfigDirectory, snapshot: Snapshot, plan: Plan
    ) -> Plan:
        """The plan with the routines of an older version that calls are in, or may get into before the reload."""
        old = await _dialplan(directory)
        wanted = {context.name for context in plan.objects.contexts}
        kept = ""
        if retained(old, routines(old), wanted):
            kept = retained(old, entered(old) | set(await busy_contexts(session.ami)), wanted)
        if kept == self._retained:
            return plan
        self._retained = kept
        return await self.planned(snapshot)

    def _findings(self, session: Session, memory: Memory, plan: Plan, outcome: Outcome, *, stand_in: bool) -> Findings:
        unproven = {key: _unproven(found) for key, found in outcome.mismatches.items() if key is not None} | {
            key: _rejected(f"{WHOLE}; {'; '.join(map(str, found))}") for key, found in outcome.waiting.items()
        }
        unproven = _waiting(outcome.held_up) | unproven
        if plan.pbx and (stand_in or outcome.dialplan_refused or None in outcome.mismatches):
            unproven[plan.pbx.key] = _rejected(WHOLE)
        restart_for = (*memory.notes.restart_for(session.start), *outcome.sockets)
        unproven = dict(_unverifying(plan, restart_for)) | unproven
        if outcome.undeleted:
            there = "; ".join(m.object for m in outcome.undeleted)
            log.warning("asterisk keeps what was deleted", objects=there)
            unproven.update(dict.fromkeys(plan.disabled, _rejected(f"still in Asterisk: {there}")))
        revision = plan.revision if not unproven else ""
        unasked = without_lookups(plan, memory.notes.opened_since(session.start) & session.unprepared)
        unproven = unasked | unproven
        return Findings(
            verified=frozenset(plan.versions) - unproven.keys(),
            refused=dict(memory.refused),
            unproven=unproven,
            unresolved=dict.fromkeys(unasked, "Asterisk asks DNS for it only after a restart, see Ready"),
            restart_for=restart_for,
            revision=revision,
        )

    def _opened(self) -> tuple[ConfigDirectory, Memory]:
        directory, memory = self._place.directory, self._place.memory
        assert directory is not None  # noqa: S101 -- the caller follows the place first
        assert memory is not None  # noqa: S101 -- likewise
        return directory, memory


async def _dialplan(directory: ConfigDirectory) -> str:
    """The extensions.conf that is there, or nothing. In a thread: a volume that hangs must not hold up the loop."""
    return (await asyncio.to_thread(directory.read, (EXTENSIONS,))).get(EXTENSIONS, "")


def _unproven(found: Collection[Mismatch]) -> Problem:
    missing = sentence(found)
    return Problem(Reason.MODULE_MISSING, missing) if missing else _rejected("; ".join(map(str, found)))


def _unverifying(plan: Plan, restart_for: Collection[str]) -> Iterator[tuple[Key, Problem]]:
    """The trunks whose carriers' certificates Asterisk does not verify as asked before it is restarted."""
    if plan.pbx is None or not restart_for:
        return
    for key, version in plan.versions.items():
        spec = version.resource.spec
        if isinstance(spec, SipTrunkSpec) and verifies(plan.pbx.spec, spec):
            name = plan.pbx.spec.transport(spec.transport).name
            if not {f"transport {name}", f"{KEYS}/{name}.ca.crt", verification(name)}.isdisjoint(restart_for):
                message = f"only a restart of Asterisk makes transport {name!r} verify certificates as asked"
                yield key, Problem(Reason.RESTART_REQUIRED, message)


def _waiting(held_up: Collection[Mismatch]) -> dict[Key, Problem]:
    said: dict[Key, list[str]] = defaultdict(list)
    for mismatch in held_up:
        if mismatch.owner is not None:
            said[mismatch.owner].append(str(mismatch))
    return {key: Problem(Reason.WAITING_FOR_CALLS, "; ".join(found)) for key, found in said.items()}


def _rejected(message: str) -> Problem:
    return Problem(Reason.REJECTED_BY_ASTERISK, message)
