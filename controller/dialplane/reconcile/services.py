"""What serves the site beside Asterisk, kept going: a service that fails is started again, the site goes on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dialplane.logs import log_unexpected
from dialplane.reconcile.ports import Remover
from dialplane.reconcile.report import NOT_SERVED_YET, Judged
from dialplane.reconcile.settings import AmiDefaults
from dialplane.resources.conditions import ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.kinds import is_confirmed, is_rendered
from dialplane.resources.problem import Reason
from dialplane.services.contract import Service, ServiceReport, SiteView
from dialplane.tasks import Backoff, keep_running

BACKOFF: Final = Backoff(1, 60)
"""Before a service that failed is started again."""
HEALTHY_AFTER: Final = 60.0
"""Seconds after which a failure is a new trouble, not more of the last one."""


class Services:
    """The services of one site loop, as one."""

    def __init__(
        self,
        services: Sequence[Service],
        defaults: AmiDefaults,
        changed: Callable[[], None],
        remover: Remover | None,
        *,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """Keep `services` going; `changed` asks for a report, `leads` says whether this process may act."""
        self._services = services
        self._defaults = defaults
        self._changed = changed
        self._remover = remover
        self._leads = leads
        self._seen: Judged | None = None
        self._begun: frozenset[Key] = frozenset()
        self._over: frozenset[Key] = frozenset()

    async def run(self) -> None:
        """All of them, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for service in self._services:
                tasks.create_task(self._keep(service))

    def observe(self, judged: Judged) -> None:
        """Show them the site as it was judged last."""
        if judged is self._seen or not self._services:
            return
        self._seen = judged
        self._begun = frozenset(key for key, resource in judged.snapshot.resources.items() if resource.begun)
        pbx = judged.plan.pbx
        view = SiteView(
            snapshot=judged.snapshot,
            accepted=frozenset(judged.plan.versions),
            asterisk=self._defaults.address(pbx) if pbx else None,
            calls=self._defaults.calls_address(pbx) if pbx else None,
            leads=self._leads,
        )
        for service in self._services:
            _guarded(service, service.observe, view)

    @property
    def awaited(self) -> bool:
        """Whether one of them is about to know more."""
        return any(said.awaited for service in self._services for said in _said(service).values())

    def completed(self, reports: Mapping[Key, Report]) -> dict[Key, Report]:
        """The reports with what the services say of their resources.

        One of a resource that was under way before this process is left out until a service says how it is: what its
        status says is better than "not yet".
        """
        found, over, told = dict(reports), set[Key](), set[Key]()
        for service in self._services:
            for key, said in _said(service).items():
                if key in found:
                    found[key] = _with(found[key], said, partial=self._partial(key))
                    if not said.awaited:
                        told.add(key)
                    if said.over:
                        over.add(key)
        for key, report in found.items():
            if key not in told and is_confirmed(key.kind):
                found[key] = _unconfirmed(report)
        for key in self._begun & found.keys():
            if NOT_SERVED_YET in found[key].conditions:
                del found[key]
        self._over = frozenset(over)
        return found

    def published(self, reports: Mapping[Key, Report]) -> None:
        """Tell them what was reported, as `completed` made it; have removed what is over."""
        for service in self._services:
            _guarded(service, service.on_reports, reports)
        if self._remover is not None:
            for key in self._over & reports.keys():
                self._remover.remove(key, reports[key].uid)

    def _partial(self, key: Key) -> bool:
        """Whether the plan has left out a part of a resource that is served."""
        problems = self._seen.plan.problems.get(key, ()) if self._seen else ()
        return bool(problems) and all(problem.partial for problem in problems)

    async def _keep(self, service: Service) -> None:
        async def run() -> None:
            await service.run(self._changed)
            raise RuntimeError("a service does not end by itself")

        def note(error: Exception, _: float) -> None:  # whatever it is, the site goes on
            log_unexpected(f"{type(service).__name__} failed", error)

        await keep_running(run, errors=Exception, backoff=BACKOFF, on_error=note, healthy_after=HEALTHY_AFTER)


def _said(service: Service) -> Mapping[Key, ServiceReport]:
    return _guarded(service, service.reports) or {}


def _guarded(service: Service, call: Callable[..., Any], *args: Any) -> Any:
    """What a service answers; where it fails, nothing: passes and statuses of telephones do not depend on it."""
    try:
        return call(*args)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the site goes on
        log_unexpected(f"{type(service).__name__} failed", error)
        return None


def _unconfirmed(report: Report) -> Report:
    """What Asterisk proved, without the word of the service that it takes, too."""
    ready = report.condition(ConditionType.READY)
    if ready is None or ready.reason is not Reason.VERIFIED:
        return report
    rest = tuple(condition for condition in report.conditions if condition is not ready)
    return replace(report, conditions=(*rest, NOT_SERVED_YET))


def _with(report: Report, said: ServiceReport, *, partial: bool) -> Report:
    """A service knows of no part that the plan has left out: its True does not hide the plan's False."""
    theirs = {condition.type: condition for condition in said.conditions}
    ready, told = report.condition(ConditionType.READY), theirs.get(ConditionType.READY)
    proven = is_rendered(report.key.kind) and ready is not None and ready.status is not Truth.TRUE
    if proven or (partial and told is not None and told.status is Truth.TRUE):
        theirs.pop(ConditionType.READY, None)
    ours = tuple(condition for condition in report.conditions if condition.type not in theirs)
    return replace(report, conditions=(*ours, *theirs.values()), fields={**report.fields, **said.fields})
