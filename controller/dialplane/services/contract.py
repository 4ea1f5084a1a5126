"""What the site loop and a runtime service (text messages, notifications) know of each other.

A service does by itself what no file of Asterisk can do. It is given a view of the site after every pass, says what it
finds out about its own resources, and hears what is reported of all. It knows neither the front doors nor the loop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialplane.asterisk.ami import AmiAddress
from dialplane.resources.conditions import Condition, Report
from dialplane.resources.key import Key
from dialplane.resources.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SiteView:
    """The site as of the last pass."""

    snapshot: Snapshot
    accepted: frozenset[Key] = frozenset()
    """The resources that may be served: valid, enabled, their references there."""
    asterisk: AmiAddress | None = None
    """The site's Asterisk, with the controller's account; None while there is no valid one."""
    calls: AmiAddress | None = None
    """The same, with the account of call control, which alone may send text messages."""
    leads: Callable[[], bool] = lambda: True
    """Whether this process may act on Asterisk, asked right before: another may lead by now."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What a service found out about one resource; goes into that resource's report."""

    conditions: tuple[Condition, ...] = ()
    """A condition here takes the place of the loop's own of that type. But Ready of what Asterisk serves can only be
    doubted: where the loop does not say True, its word stands."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The kind's own status fields, as in `Report.fields`."""
    awaited: bool = False
    """It is about to be known: a controller that has just started says nothing of the site until it is."""
    over: bool = False
    """Its time is over: the front door may delete the resource, where deleting is its business."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a resource and changes no condition: folded news, with how often it happened."""

    reason: str
    """CamelCase; the same for the same kind of news."""
    message: str
    """One line, without secrets."""
    times: int = 1


class Notices(Protocol):
    """Where notices go beside the log."""

    def tell(self, key: Key, notice: Notice) -> None:
        """Tell it some time soon. Never waits, never raises."""


class Service(Protocol):
    """A runtime service of one site. Calls of `see`, `told` and `said` come from the loop's thread and never wait."""

    def observe(self, view: SiteView) -> None:
        """Work on this view from now on."""

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """Hear what is reported of every resource of the site, each time it is."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """What is known now of the resources that the service looks after."""

    async def run(self, changed: Callable[[], None]) -> None:
        """Serve until cancelled; call `changed` when `reports` has something new."""
