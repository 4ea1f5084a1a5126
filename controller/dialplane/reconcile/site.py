"""The site loop: whatever changes, one pass makes Asterisk run what was asked, and says so.

It wakes for a changed snapshot, for a new connection to Asterisk, and for files that somebody else touched; live
state alone only makes it report. One pass at a time, one reload at a time. No failure of Asterisk or of the directory
ends it: the statuses say what is wrong, and it tries again.
"""

import asyncio
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.status import busy_contexts
from dialplane.plan.dialplan.retained import retained, routines
from dialplane.plan.objects import owners
from dialplane.plan.plan import Pbx, Plan
from dialplane.plan.planner import Planner
from dialplane.plan.render import EXTENSIONS
from dialplane.plan.templates import Templates
from dialplane.reconcile import metrics
from dialplane.reconcile.config_dir import ConfigDirectory, ConfigDirectoryError
from dialplane.reconcile.convergence import Outcome, Session, converge
from dialplane.reconcile.memory import Memory
from dialplane.reconcile.ports import CredentialsStore, Leadership, Source, StatusSink
from dialplane.reconcile.quiet import Quiet
from dialplane.reconcile.report import Findings, LastReload, reports
from dialplane.reconcile.watch import Notify, Watch
from dialplane.resources.extension import ExtensionSpec, generated_secret
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.snapshot import Snapshot

log = structlog.get_logger(__name__)

MEMORY: Final = Path(".dialplane/verified.db")
"""Below the config directory: what was proven of the files beside it."""

ATTEMPTS: Final = 4
"""How often one pass goes back to verified versions, each time for something else that Asterisk refused."""


@dataclass(frozen=True, slots=True)
class AmiDefaults:
    """What stands in for what `Asterisk.spec.ami` leaves out (the variables `ASTERISK_AMI_*`)."""

    host: str = "127.0.0.1"
    port: int = 5038
    username: str = ""
    secret: SecretStr = field(default_factory=lambda: SecretStr(""))


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. The defaults suit every site; tests shorten some."""

    quiet: float = 0.1
    longest_noise: float = 1.0
    report_quiet: float = 0.05
    reload_limit: float = 60.0
    retry: float = 5.0
    drift_check: float = 30.0
    status_refresh: float = 60.0
    lost_grace: float = 10.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything around the loop."""

    source: Source
    sink: StatusSink
    credentials: CredentialsStore
    leadership: Leadership


class SiteLoop:
    """Reconciles one site. `run` never returns by itself; cancel it to stop."""

    def __init__(
        self,
        ports: Ports,
        templates: Templates,
        *,
        config_directory: Path | None = None,
        defaults: AmiDefaults | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Wire a loop.

        Args:
            ports: the front door.
            templates: how files are laid out.
            config_directory: stands in for `Asterisk.spec.configDirectory`.
            defaults: stand in for what `Asterisk.spec.ami` leaves out.
            timing: waits and limits.
        """
        self._ports = ports
        self._templates = templates
        self._override = config_directory
        self._defaults = defaults or AmiDefaults()
        self._timing = timing or Timing()
        self._planner = Planner(templates, str(config_directory) if config_directory else None)
        self._pass_due = Quiet(self._timing.quiet, self._timing.longest_noise)
        self._report_due = Quiet(self._timing.report_quiet, self._timing.longest_noise)
        self._findings = Findings()
        self._snapshot: Snapshot | None = None
        self._plan = Plan()
        self._pbx: Pbx | None = None
        self._directory: ConfigDirectory | None = None
        self._memory: Memory | None = None
        self._watch: Watch | None = None
        self._watching = AsyncExitStack()
        self._signature: object = None
        self._good_dialplan: str | None = None
        self._retained = ""
        self._taken = asyncio.Event()
        self.converged = asyncio.Event()
        """Set while the last pass ended well: what `/readyz` asks."""
        self.reported = asyncio.Event()
        """Set once the verdicts of a pass of this process have been published: before, statuses are older ones."""

    async def run(self) -> None:
        """Reconcile until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_source(), name="source")
                tasks.create_task(self._watch_drift(), name="drift")
                tasks.create_task(self._report(), name="reports")
                while True:
                    await self._pass_due.wait()
                    await self._guarded_pass()
                    self._report_due.disturb()
        finally:
            await self._watching.aclose()
            if self._memory is not None:
                self._memory.close()

    def disturb(self) -> None:
        """Ask for a pass."""
        self._pass_due.disturb()

    @property
    def snapshot(self) -> Snapshot:
        """What the last pass worked on; empty before the first."""
        return self._snapshot or Snapshot("")

    @property
    def connected(self) -> bool:
        """Whether Asterisk is connected now."""
        return self._watch is not None and self._watch.session is not None

    async def _watch_source(self) -> None:
        while True:
            await self._ports.source.changed()
            self._taken.clear()
            self._pass_due.disturb()
            await self._taken.wait()  # until then the source would say "changed" again and again

    async def _watch_drift(self) -> None:
        while True:
            await asyncio.sleep(self._timing.drift_check)
            directory, known = self._directory, self._signature
            if directory is None or known is None:
                continue
            if await asyncio.to_thread(directory.signature, self._plan.files) != known:
                log.warning("somebody else changed rendered files: putting them back", directory=str(directory.path))
                self._pass_due.disturb()

    async def _report(self) -> None:
        while True:
            await self._report_due.wait()
            if self._snapshot is not None and self._ports.leadership.held():
                with metrics.phase.labels("report").time():
                    judged = self.converged.is_set()
                    await self._ports.sink.publish(reports(self._snapshot, self._plan, self._current_findings()))
                if judged:
                    self.reported.set()

    async def _guarded_pass(self) -> None:
        if not self._ports.leadership.held():
            asyncio.get_running_loop().call_later(1, self._pass_due.disturb)
            return
        try:
            await self._pass()
        except (AsteriskError, ConfigDirectoryError, OSError) as error:
            self.converged.clear()
            metrics.passes.labels("failed").inc()
            log.warning("pass failed", error=str(error))
            if self.connected or not isinstance(error, AsteriskError):
                usable = isinstance(error, AsteriskError)
                reason = Reason.READ_BACK_TIMEOUT if usable else Reason.CONFIG_DIRECTORY_UNUSABLE
                self._findings = replace(self._findings, fault=Problem(reason, str(error)))
                asyncio.get_running_loop().call_later(self._timing.retry, self._pass_due.disturb)

    async def _pass(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        snapshot = self._snapshot = self._ports.source.snapshot()
        self._taken.set()
        await self._generate_credentials(snapshot)
        plan = self._plan = await self._planned(snapshot)
        await self._follow_pbx(plan.pbx)
        if self._directory is None or self._memory is None:
            return  # no Asterisk now, none before
        if self._memory.held(snapshot):
            plan = self._plan = await self._planned(snapshot)
        session = self._watch.session if self._watch else None
        if session is None:
            await asyncio.to_thread(self._directory.write, plan.files)
            return
        self._retained = await self._routines_in_use(session, self._directory, plan)
        if self._retained:
            plan = self._plan = await self._planned(snapshot)
        outcome = await self._converged(session, self._directory, plan)
        for _ in range(ATTEMPTS):
            if not self._memory.judge(snapshot, plan, outcome):
                break
            plan = self._plan = await self._planned(snapshot)
            outcome = await self._converged(session, self._directory, plan)
        if None in outcome.mismatches and self._good_dialplan is not None:
            plan = self._plan = replace(plan, files={**plan.files, EXTENSIONS: self._good_dialplan})
            await self._converged(session, self._directory, plan)
        elif None not in outcome.mismatches:
            self._good_dialplan = plan.files.get(EXTENSIONS)
        self._signature = self._directory.signature(plan.files)
        self._conclude(session, outcome)
        log.info(
            "pass done",
            resources=len(snapshot.resources),
            served=len(self._findings.verified),
            refused=len(self._memory.refused),
            problems=len(plan.problems),
            reloads=[result.module for result in outcome.reloads],
            revision=plan.revision,
            seconds=round(loop.time() - started, 3),
        )

    async def _planned(self, snapshot: Snapshot) -> Plan:
        held = self._memory.held(snapshot) if self._memory else {}
        with metrics.phase.labels("plan").time():
            return await asyncio.to_thread(self._planner.plan, snapshot, held, self._retained)

    async def _routines_in_use(self, session: Session, directory: ConfigDirectory, plan: Plan) -> str:
        """Routines of an older version that calls are still in; a reload without them would drop those calls."""
        old = directory.read((EXTENSIONS,)).get(EXTENSIONS, "")
        wanted = {context.name for context in plan.objects.contexts}
        if not retained(old, routines(old), wanted):
            return ""
        return retained(old, await busy_contexts(session.ami), wanted)

    async def _converged(self, session: Session, directory: ConfigDirectory, plan: Plan) -> Outcome:
        assert self._memory is not None  # noqa: S101 -- opened with the directory
        with metrics.phase.labels("converge").time():
            outcome = await converge(session, directory, plan, self._memory.objects(), self._timing.reload_limit)
        for result in outcome.reloads:
            metrics.reloads.labels(result.module, result.status.name.lower()).inc()
            log.info("reloaded", module=result.module, result=result.status.name, ms=round(result.duration_ms, 1))
        if outcome.reloads:
            differing = sum(map(len, outcome.mismatches.values()))
            last = LastReload(
                datetime.now(UTC),
                tuple(result.module for result in outcome.reloads),
                round(outcome.seconds * 1000),
                f"{differing} differences from what was rendered" if differing else str(Reason.VERIFIED),
            )
            self._findings = replace(self._findings, last_reload=last)
        return outcome

    def _conclude(self, session: Session, outcome: Outcome) -> None:
        """Turn the last attempt into findings."""
        assert self._memory is not None  # noqa: S101 -- opened with the directory
        unproven = {
            key: "; ".join(f"{m.object}: {m.message}" for m in found)
            for key, found in outcome.mismatches.items()
            if key is not None
        }
        if None in outcome.mismatches and self._plan.pbx:
            whole = "Asterisk does not take the dialplan as a whole; the last good one goes on serving"
            unproven[self._plan.pbx.key] = whole
        if outcome.undeleted:
            there = "; ".join(m.object for m in outcome.undeleted)
            log.warning("asterisk keeps what was deleted", objects=there)
            unproven.update(dict.fromkeys(self._plan.disabled, f"still in Asterisk: {there}"))
            asyncio.get_running_loop().call_later(self._timing.retry, self._pass_due.disturb)
        lacking: set[Key] = set(unproven)
        for name, item in self._plan.objects.readable().items():
            if session.proven.get(name) != item:
                lacking |= owners(item)
        self._findings = replace(
            self._findings,
            fault=None,
            verified=frozenset(self._plan.versions) - lacking,
            refused=dict(self._memory.refused),
            unproven=unproven,
            restart_for=tuple(sorted({*self._findings.restart_for, *outcome.restart_for})),
        )
        self.converged.set()
        metrics.passes.labels("done").inc()
        metrics.last_pass.set_to_current_time()
        metrics.count_problems(self._plan.problems)
        metrics.count_resources(self._snapshot.resources if self._snapshot else {})

    def _current_findings(self) -> Findings:
        """The findings of the last pass with what the watch sees now."""
        watch = self._watch
        if watch is None:
            return self._findings
        fault = self._findings.fault
        if watch.fault is not None:
            fault = Problem(Reason.ASTERISK_UNREACHABLE, str(watch.fault))
        return replace(
            self._findings,
            fault=fault,
            live=watch.live,
            asterisk=watch.status,
            state=watch.state,
            registrations=self._registrations(watch),
        )

    def _registrations(self, watch: Watch) -> int | None:
        if watch.live is None:
            return None
        numbers = {spec.number for _, spec in self._snapshot.of(ExtensionSpec)} if self._snapshot else set()
        return sum(len(found) for aor, found in watch.live.contacts.items() if aor in numbers)

    async def _generate_credentials(self, snapshot: Snapshot) -> None:
        for resource, spec in snapshot.of(ExtensionSpec):
            name = generated_secret(resource.key.name)
            if spec.generate_credentials and name not in snapshot.secrets:
                values = {"username": spec.number, "password": secrets.token_urlsafe(18)}
                await self._ports.credentials.create(name, values, resource.key)

    async def _follow_pbx(self, pbx: Pbx | None) -> None:
        """Watch and write where the site says; a site without an Asterisk keeps the last one, to empty it."""
        if pbx is None and self._pbx is None and self._override is not None:
            self._open(self._override)
            pbx = self._memory.pbx() if self._memory else None
        if pbx is None:
            return
        self._pbx = pbx
        self._open(self._override or Path(pbx.spec.config_directory))
        address = self._address(pbx)
        if self._watch is None or self._watch.address != address:
            await self._watching.aclose()
            notify = Notify(self._pass_due.disturb, self._report_due.disturb)
            watch = Watch(address, notify, grace=self._timing.lost_grace, refresh=self._timing.status_refresh)
            self._watch = await self._watching.enter_async_context(watch)

    def _open(self, path: Path) -> None:
        if self._directory is not None and self._directory.path == path:
            return
        if self._memory is not None:
            self._memory.close()
        directory = ConfigDirectory(path)
        directory.sweep()
        self._memory = Memory.open(path / MEMORY, self._templates.fingerprint)
        self._directory = directory

    def _address(self, pbx: Pbx) -> AmiAddress:
        ami = pbx.spec.ami
        return AmiAddress(
            host=ami.host or self._defaults.host,
            port=ami.port or self._defaults.port,
            tls=ami.tls,
            username=pbx.username or self._defaults.username,
            secret=pbx.secret or self._defaults.secret,
        )
