"""The service of recordings: no extension whose calls are to be recorded is Ready unless Asterisk has just written one.

And what is older than `retentionDays` is deleted, by this process: Asterisk itself deletes nothing.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Up
from dialplane.asterisk.errors import AsteriskError, PermissionMissing, Unreachable
from dialplane.asterisk.recording import AHEAD_SECONDS, Proof, prove_recording
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.recordings import metrics
from dialplane.services.recordings.retention import Swept, hindrance, sweep

log = structlog.get_logger(__name__)

NOT_ALLOWED: Final = (
    "nobody can prove that Asterisk records: the AMI user of call control may not originate; add originate to its"
    " write = in manager.conf, or name one that may in spec.ami.callsCredentialsSecretRef of the Asterisk"
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    proof: float = 60.0
    """Between two proofs."""
    again: float = 5.0
    """After one that failed."""
    first: float = 0.5
    """Between two attempts until there has been any answer."""
    patience: float = 10.0
    """How long the first answer is waited for before anything is said of it."""
    stale: float = 300.0
    """A proof is worth that long where none can be had since."""
    sweep: float = 3600.0
    """Between two rounds of deletion; a round that left something over is followed by another after `again`."""


@dataclass(frozen=True, slots=True)
class Task:
    """What of the site matters here."""

    pbx: Key
    path: Path
    retention_days: int
    recorded: frozenset[Key]
    """The extensions whose calls are to be recorded."""
    main: AmiAddress
    calls: AmiAddress


class RecordingService:
    """Implements `Service`."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self._timing = timing
        self._task: Task | None = None
        self._leads: Callable[[], bool] = lambda: True
        self._new = asyncio.Event()
        self._proof: Proof | None = None
        self._proven_at = 0.0
        self._refusal = ""
        """Why no proof can be had."""
        self._retention = ""
        """Why old recordings are not deleted."""

    def observe(self, view: SiteView) -> None:
        """See `Service`."""
        self._leads = view.leads
        task, before = _task(view), self._task
        self._task = task
        if (
            task is None
            or before is None
            or (task.path, task.main, task.calls) != (before.path, before.main, before.calls)
        ):
            self._proof, self._refusal = None, ""
            self._proven_at = asyncio.get_running_loop().time()
        if task is None or not task.retention_days:
            self._retention = ""
        if task != before:
            self._new.set()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service`: nothing that is reported matters to recordings."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service`: doubts alone, for that all is well is no news."""
        task = self._task
        if task is None:
            return {}
        found = {}
        if doubt := self._doubt(task):
            found = dict.fromkeys((task.pbx, *task.recorded), ServiceReport((doubt,), awaited=self._awaited))
        elif self._retention:
            message = f"recordings older than {task.retention_days} days are not deleted: {self._retention}"
            failed = Condition(ConditionType.READY, Truth.FALSE, Reason.RETENTION_FAILED, message)
            found[task.pbx] = ServiceReport((failed,))
        return found

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service`."""
        async with asyncio.TaskGroup() as tasks:
            working: asyncio.Task[None] | None = None
            while True:
                self._new.clear()
                if working is not None:
                    working.cancel()
                    await asyncio.wait([working])
                if self._task is not None:
                    working = tasks.create_task(self._work(self._task, changed))
                await self._new.wait()

    # --- what is said

    @property
    def _awaited(self) -> bool:
        return self._proof is None and not self._refusal

    def _doubt(self, task: Task) -> Condition | None:
        """Why an extension whose calls are to be recorded is not Ready."""
        if not task.recorded:
            return None
        match self._proof:
            case Proof.WRITTEN:
                return None
            case Proof.REFUSED:
                said = (
                    f"Asterisk cannot write recordings to {task.path}: let its user make folders and files there"
                    " (its log has the cause)"
                )
            case Proof.FULL:
                said = f"no room for recordings in {task.path}: the disk is full or a quota used up; free some"
            case Proof.HANGS:
                said = f"the disk of {task.path} does not answer: Asterisk waits for it to take a recording"
            case _:
                said = self._refusal or "Asterisk has not proven yet that it can write recordings"
                reason = Reason.READ_BACK_TIMEOUT if self._refusal else Reason.UNKNOWN
                return Condition(ConditionType.READY, Truth.UNKNOWN, reason, said)
        return Condition(ConditionType.READY, Truth.FALSE, Reason.RECORDING_FAILED, said)

    # --- what is done

    async def _work(self, task: Task, changed: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            if task.recorded:
                tasks.create_task(self._prove(task, changed), name="recording proofs")
            if task.retention_days:
                tasks.create_task(self._retain(task, changed), name="recording retention")

    async def _prove(self, task: Task, changed: Callable[[], None]) -> None:
        async with (
            AsteriskLink(task.main, events="system") as main,
            AsteriskLink(task.calls, events="off", wait_for_boot=False) as calls,
        ):
            while True:
                ami = await main.up()
                await self._prove_once(ami, calls, changed)
                wait = self._timing.proof if self._proof is Proof.WRITTEN else self._timing.again
                if self._awaited:
                    wait = self._timing.first
                if self._refusal is NOT_ALLOWED:  # Asterisk notes each refusal as an attack
                    wait = self._timing.stale
                await _ended_or(ami, wait)

    async def _prove_once(self, main: Ami, calls: AsteriskLink, changed: Callable[[], None]) -> None:
        if not self._leads():
            return
        refusal = ""
        try:
            async with asyncio.timeout(self._timing.again):
                placing = await calls.up()
            outcome = await prove_recording(main, placing)
        except PermissionMissing:
            outcome, refusal = Proof.UNANSWERED, NOT_ALLOWED
        except TimeoutError:
            outcome = Proof.UNANSWERED
            why = "" if isinstance(calls.state, Up) else str(calls.state.reason)
            refusal = f"nobody can prove that Asterisk records: the AMI user of call control: {why}"
        except AsteriskError as error:
            outcome = Proof.UNANSWERED
            refusal = f"nobody can prove that Asterisk records: {error}"
        metrics.PROOFS.labels(outcome.value).inc()
        before, now = (self._proof, self._refusal), asyncio.get_running_loop().time()
        if outcome is not Proof.UNANSWERED:
            self._proof, self._refusal, self._proven_at = outcome, "", now
        elif refusal is NOT_ALLOWED or now > self._proven_at + (
            self._timing.patience if self._proof is None else self._timing.stale
        ):
            self._proof = None
            self._refusal = refusal or "Asterisk does not say whether it can write recordings: look at its load"
        if (self._proof, self._refusal) != before:
            log.info("recordings", proof=outcome.value, refusal=self._refusal)
            changed()

    async def _retain(self, task: Task, changed: Callable[[], None]) -> None:
        while True:
            swept = await self._sweep(task) if self._leads() else Swept()
            metrics.DELETED.inc(swept.deleted)
            if swept.deleted:
                log.info("old recordings deleted", recordings=swept.deleted)
            if swept.trouble != self._retention:
                if swept.trouble:
                    log.warning("old recordings are not deleted", error=swept.trouble)
                self._retention = swept.trouble
                changed()
            awaits_proof = task.recorded and self._proof is None
            soon = swept.more or swept.trouble or awaits_proof
            await asyncio.sleep(self._timing.again if soon else self._timing.sweep)

    async def _sweep(self, task: Task) -> Swept:
        """One round, in a thread: a disk that hangs must not hold up the loop."""
        now = datetime.now(UTC)
        swept = await asyncio.to_thread(sweep, task.path, now.date() - timedelta(days=task.retention_days))
        if swept.trouble or not task.recorded or self._proof is not Proof.WRITTEN:
            return swept
        day = (now + timedelta(seconds=AHEAD_SECONDS)).date()
        found = await asyncio.to_thread(hindrance, task.path, day)
        return Swept(swept.deleted, swept.more, found)


def _task(view: SiteView) -> Task | None:
    found = [(r.key, spec) for r, spec in view.snapshot.of(AsteriskSpec) if r.key in view.accepted]
    if view.asterisk is None or view.calls is None or not found:
        return None
    (pbx, spec), recorded = found[0], frozenset(_recorded(view))
    if not recorded and not spec.recording.retention_days:
        return None
    return Task(pbx, Path(spec.recording.path), spec.recording.retention_days, recorded, view.asterisk, view.calls)


def _recorded(view: SiteView) -> Iterator[Key]:
    for resource, spec in view.snapshot.of(ExtensionSpec):
        if spec.record == "always" and resource.key in view.accepted:
            yield resource.key


async def _ended_or(ami: Ami, seconds: float) -> Unreachable | None:
    """Wait so long, or until the connection ends: another Asterisk may be another user, with another disk."""
    try:
        async with asyncio.timeout(seconds):
            return await ami.closed()
    except TimeoutError:
        return None
