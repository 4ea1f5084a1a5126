"""Lamps: a service that a contributor made up, whole in its folder."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from dialplane.resources.lamp import LampSpec

from dialplane.api.scopes import ScopeRule
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason
from dialplane.services.contract import Context, ServiceDefinition, ServiceReport, SiteView

if TYPE_CHECKING:
    from dialplane.api.mount import Mount


UNSOLD: Final = 13


class LampService:
    def __init__(self, context: Context) -> None:
        self.store, self.site = context.store, context.site
        self.lamps: Mapping[str, LampSpec] = {}
        self._new = asyncio.Event()

    def observe(self, view: SiteView) -> None:
        self.lamps = {r.key.name: spec for r, spec in view.snapshot.of(LampSpec) if r.key in view.accepted}
        self._new.set()

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        pass

    def reports(self) -> Mapping[Key, ServiceReport]:
        return {
            Key("Lamp", name): ServiceReport(
                (
                    Condition(ConditionType.READY, Truth.TRUE, Reason.VERIFIED, "its switch was asked"),
                    Condition(
                        ConditionType.ONLINE, Truth.TRUE if spec.lit else Truth.FALSE, Reason.UNKNOWN, "as asked"
                    ),
                ),
                {"burns": spec.lit},
            )
            for name, spec in self.lamps.items()
        }

    async def run(self, changed: Callable[[], None]) -> None:
        from dialplane.services.lamps.tables import keep  # noqa: PLC0415 -- needs the extra `services`

        while True:
            await self._new.wait()
            self._new.clear()
            await self.store.call(keep, self.site, tuple(self.lamps))
            changed()


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.lamps.api import mounts  # noqa: PLC0415 -- likewise

    return mounts()


def _faults(view: SiteView, _: datetime) -> Iterator[tuple[Key, Problem]]:
    for resource, spec in view.snapshot.of(LampSpec):
        if spec.watts == UNSOLD:
            yield resource.key, Problem(Reason.INVALID, "nobody sells lamps of 13 watts: take 12", "spec.watts")


SERVICE = ServiceDefinition(
    name="lamps",
    start=LampService,
    mounts=_mounts,
    scopes=(ScopeRule("lamps"),),
    tables=("dialplane.services.lamps.tables",),
    faults=_faults,
)
