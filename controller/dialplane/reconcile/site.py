"""The site loop: whatever changes, one pass makes Asterisk run what was asked, and says so.

It wakes for a changed snapshot, for a new connection to Asterisk, and for files that somebody else touched; live
state alone only makes it report. One pass at a time, one reload at a time. No failure of Asterisk or of the directory
ends it: the statuses say what is wrong, and it tries again.

A report is made of one `Judged` as a whole: a snapshot with the plan made of it and the verdict on that plan. They are
replaced together, so that no new generation is ever shown with an old one's verdict.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from dialplane.asterisk.errors import AsteriskError, ReloadUnfinished
from dialplane.logs import log_unexpected
from dialplane.plan.plan import Plan
from dialplane.plan.planner import Planner
from dialplane.plan.templates import Templates
from dialplane.reconcile import metrics
from dialplane.reconcile.config_dir import ConfigDirectoryError, NotLeading
from dialplane.reconcile.names import Names, doubtful
from dialplane.reconcile.pending import Pending
from dialplane.reconcile.place import Place
from dialplane.reconcile.quiet import Quiet
from dialplane.reconcile.refusals import Refusals
from dialplane.reconcile.report import Findings, Judged, Reporter, carried
from dialplane.reconcile.restart import STOPPING, Restarts
from dialplane.reconcile.services import Services
from dialplane.reconcile.serving import Serving
from dialplane.reconcile.settings import AmiDefaults, Ports, Timing
from dialplane.reconcile.watch import Notify
from dialplane.resources.base import Spec
from dialplane.resources.conditions import Report
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.snapshot import Snapshot
from dialplane.tasks import Backoff

__all__ = ["AmiDefaults", "Ports", "SiteLoop", "Timing"]

log = structlog.get_logger(__name__)

PBX = "Asterisk"
LEADER_CHECK_SECONDS = 1.0


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
        self._timing = timing or Timing()
        self._planner = Planner(templates, str(config_directory) if config_directory else None)
        self._pass_due = Quiet(self._timing.quiet, self._timing.longest_noise)
        self._report_due = Quiet(self._timing.report_quiet, self._timing.longest_noise)
        self._refusals = Refusals(ports.notices, lambda: self.snapshot)
        self._place = Place(
            override=config_directory,
            defaults=defaults or AmiDefaults(),
            timing=self._timing,
            fingerprint=templates.fingerprint,
            notify=Notify(self._pass_due.disturb, self._report_due.disturb, self._refusals.hear),
            permit=self._permit,
        )
        self._serving = Serving(
            self._place, self._planner, self._timing, self._permit, overlay=templates.shipped_for_pjsip
        )
        self._turn = asyncio.Lock()
        self._restarts = Restarts(
            self._place, ports.supervisor, self._permit, self._turn, self._timing, self._report_due.disturb
        )
        self._services = Services(
            ports.services,
            defaults or AmiDefaults(),
            self._report_due.disturb,
            ports.remover,
            leads=ports.leadership.held,
        )
        self._reporter = Reporter()
        self._names = Names(self._report_due.disturb)
        self._judged: Judged | None = None
        self._attempt: tuple[Snapshot, Plan] | None = None
        self._concluded: float | None = None
        self._failures = 0
        self._again: asyncio.TimerHandle | None = None
        self._pending = Pending()
        self._told: tuple[Findings, Mapping[Key, Report]] = Findings(), {}
        self.converged = asyncio.Event()
        """Set while the last pass ended well: what `/readyz` asks."""
        self.reported = asyncio.Event()
        """Set once the verdicts of a pass of this process have been published: before, statuses are older ones."""

    async def run(self) -> None:
        """Reconcile until cancelled."""
        metrics.site.show(self._figures)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_source(), name="source")
                tasks.create_task(self._watch_drift(), name="drift")
                tasks.create_task(self._report(), name="reports")
                tasks.create_task(self._restarts.run(), name="restarts")
                tasks.create_task(self._refusals.run(), name="refusals")
                tasks.create_task(self._services.run(), name="services")
                tasks.create_task(self._names.run(), name="names")
                while True:
                    await self._pass_due.wait()
                    async with self._turn:
                        await self._guarded_pass()
                    self._report_due.disturb()
        finally:
            if self._again is not None:
                self._again.cancel()
            metrics.site.hide()
            await self._place.close()

    def disturb(self) -> None:
        """Ask for a pass."""
        self._pass_due.disturb()

    @property
    def snapshot(self) -> Snapshot:
        """What the last pass worked on; empty before the first."""
        return self._judged.snapshot if self._judged else Snapshot("")

    @property
    def connected(self) -> bool:
        """Whether Asterisk is connected now."""
        return self._place.session is not None

    async def _watch_source(self) -> None:
        while True:
            await self._ports.source.changed()
            self._pending.seen()
            self._pass_due.disturb()

    async def _watch_drift(self) -> None:
        while True:
            await asyncio.sleep(self._timing.drift_check)
            if self._serving.busy or self._failures:
                continue
            if self._place.touched:
                log.warning("somebody else changed rendered files: putting them back")
                self._pass_due.disturb()
            elif self._serving.reload_due or self._serving.retains or self._serving.held_up:
                self._pass_due.disturb()  # the site is quiet now; or calls in older routines, or on modems, may be over

    async def _report(self) -> None:
        while True:
            await self._report_due.wait()
            try:
                judged = self._current()
                if judged is not None and self._ports.leadership.held():
                    with metrics.phase.labels("report").time():
                        verdict = self.converged.is_set()
                        self._pending.telling()
                        found = self._services.completed(self._reporter.reports(judged))
                        self._told = judged.findings, found
                        await self._ports.sink.publish(found)
                        self._services.published(found)
                    if verdict:
                        self.reported.set()
                        self._pending.told()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the site goes on
                log_unexpected("statuses could not be published", error)
                asyncio.get_running_loop().call_later(self._timing.retry, self._report_due.disturb)

    async def _guarded_pass(self) -> None:
        self._attempt = None
        slow = asyncio.get_running_loop().call_later(self._timing.slow_pass, self._meanwhile)
        try:
            self._permit()
            with metrics.phase.labels("pass").time():
                await self._pass()
        except NotLeading:
            self._try_again(LEADER_CHECK_SECONDS)
        except (ConfigDirectoryError, OSError) as error:
            self._failed(Problem(Reason.CONFIG_DIRECTORY_UNUSABLE, str(error)))
        except ReloadUnfinished as error:
            self._failed(Problem(Reason.RELOAD_FAILED, str(error)))
        except AsteriskError as error:
            self._failed(Problem(Reason.READ_BACK_TIMEOUT, str(error)) if self.connected else None, str(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the site goes on
            log_unexpected("a pass failed", error)
            message = f"the controller failed ({type(error).__name__}): its log says more"
            self._failed(Problem(Reason.UNKNOWN, message))
        finally:
            slow.cancel()

    def _failed(self, fault: Problem | None, message: str = "") -> None:
        """What was proven of unchanged versions stays proven; without a fault the next connection decides."""
        self.converged.clear()
        metrics.passes.labels("failed").inc()
        log.warning("pass failed", error=fault.message if fault else message)
        snapshot, plan = self._attempt or (None, None)
        if snapshot is None or plan is None:
            old = self._judged or Judged(Snapshot(""), Plan(), Findings())
            self._judged = replace(old, findings=replace(old.findings, fault=fault))
        else:
            self._judged = carried(self._judged, snapshot, plan, self._serving.refused, fault)
        if fault is not None:
            self._failures += 1
            self._try_again(Backoff(self._timing.retry, self._timing.longest_retry).wait_after(self._failures))

    def _try_again(self, seconds: float) -> None:
        """One more pass, in a while; only one such promise at a time."""
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(seconds, self._pass_due.disturb)

    async def _pass(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        snapshot = self._ports.source.snapshot()
        self._pending.taken()
        await self._generate_credentials(snapshot)
        plan = await self._serving.planned(snapshot)
        if plan.pbx is None and any(key.kind == PBX for key in snapshot.resources):
            # Its manifest is broken, not gone: nobody asked to empty the Asterisk that runs.
            self._conclude(carried(self._judged, snapshot, plan, self._serving.refused))
            return
        self._attempt = snapshot, plan
        await self._place.follow(plan.pbx)
        if self._place.memory is None:
            self._conclude(Judged(snapshot, plan, Findings()))  # no Asterisk now, none before
            return
        self._restarts.hear(snapshot, plan.pbx)
        plan = await self._serving.held(snapshot, plan)
        self._attempt = snapshot, plan
        session = self._place.session
        if session is None:
            plan = await self._serving.write(snapshot, plan)
            self._judged = carried(self._judged, snapshot, plan, self._serving.refused)
            self._services.observe(self._judged)
            return
        served = await self._serving.serve(session, snapshot, plan)
        self._conclude(Judged(snapshot, served.plan, served.findings))
        self._restarts.verified(session)
        if served.unfinished:
            self._try_again(self._timing.retry)
        if self._place.watch is not None:
            self._place.watch.verified()
        log.info(
            "pass done",
            resources=len(snapshot.resources),
            served=len(served.findings.verified),
            refused=len(served.findings.refused),
            problems=len(served.plan.problems),
            reloads=served.modules,
            revision=served.plan.revision,
            seconds=round(loop.time() - started, 3),
        )

    def _conclude(self, judged: Judged) -> None:
        self._judged = judged
        self._services.observe(judged)
        if self._concluded is None:
            self._concluded = asyncio.get_running_loop().time()
        self._failures = 0
        if self._again is not None:
            self._again.cancel()
        self.converged.set()
        metrics.passes.labels("done").inc()
        metrics.last_pass.set_to_current_time()
        self._pending.judged()

    def _meanwhile(self) -> None:
        """A pass takes long: say already what is new, and not verified yet."""
        if self._concluded is not None and self._attempt is not None:
            self._judged = carried(self._judged, *self._attempt, self._serving.refused)
            self._report_due.disturb()

    def _current(self) -> Judged | None:
        """What is to be reported now; None where a restarted controller does not know any better than the statuses."""
        judged, watch = self._judged, self._place.watch
        if judged is None:
            return None
        findings = judged.findings
        fault = findings.fault
        if watch is not None and watch.fault is not None and (not self.connected or fault is None):
            fault = Problem(Reason.ASTERISK_UNREACHABLE, str(watch.fault))
        stopped = self._restarts.under_way
        if stopped:  # with the order, not with the first connection that fails: calls are refused from now on
            fault = Problem(Reason.RESTARTING, STOPPING)
        if fault is None and (self._concluded is None or self._waits_for_live_state()):
            return None
        if watch is None:
            return replace(judged, findings=replace(findings, fault=fault))
        live = None if stopped else watch.live
        numbers = {spec.number for _, spec in judged.snapshot.of(ExtensionSpec)}
        self._names.want(doubtful(judged.plan, live))
        phones = sum(len(found) for aor, found in live.contacts.items() if aor in numbers) if live else None
        seen = replace(
            findings,
            fault=fault,
            live=live,
            unresolved={**self._names.failures, **findings.unresolved},
            asterisk=self._serving.steady(watch.status),
            state="Restarting" if stopped else watch.state,
            registrations=phones,
            restart=self._restarts.request,
            last_reload=self._serving.last_reload,
        )
        return replace(judged, findings=seen)

    def _figures(self) -> metrics.Figures:
        """What is now, for a scrape; numbers of Asterisk only while it answers."""
        findings, found = self._told
        start = findings.asterisk.start if findings.asterisk else None
        watch = self._place.watch
        status = watch.status if watch is not None and watch.session is not None else None
        return metrics.Figures(
            connected=self.connected,
            converged=self.converged.is_set(),
            pending_seconds=self._pending.seconds,
            reports=found,
            channels=status.active_channels if status else None,
            calls=status.active_calls if status else None,
            contacts=findings.registrations if status else None,
            started_at=int(start.at.timestamp()) if status and start and start.at else None,
        )

    def _waits_for_live_state(self) -> bool:
        """Right after the start; without it what was proven before would be Unknown for a moment."""
        watch, loop = self._place.watch, asyncio.get_running_loop()
        if watch is None or watch.session is None or self._concluded is None:
            return False
        if watch.live and watch.status and not self._services.awaited:
            return False
        left = self._concluded + self._timing.lost_grace - loop.time()
        if left > 0:
            loop.call_later(left, self._report_due.disturb)
        return left > 0

    def _permit(self) -> None:
        if not self._ports.leadership.held():
            raise NotLeading("another process leads")

    async def _generate_credentials(self, snapshot: Snapshot) -> None:
        for resource, spec in snapshot.of(Spec):
            account = spec.generated_account(resource.key.name)
            if account and account.secret not in snapshot.secrets:
                self._permit()
                values = {"username": account.username, "password": secrets.token_urlsafe(18)}
                await self._ports.credentials.create(account.secret, values, resource.key)
