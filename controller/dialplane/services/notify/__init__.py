"""Notifications: what happened on the site, delivered to those whom a Notifier names."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dialplane.api.scopes import ScopeRule
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem
from dialplane.services.contract import Context, Service, ServiceDefinition, SiteView

if TYPE_CHECKING:
    from dialplane.api.mount import Mount


def _start(context: Context) -> Service:
    from dialplane.services.notify.service import NotifyService  # noqa: PLC0415 -- takes half a second

    service = NotifyService(context.store)
    context.outbox.listen(service.wake)
    return service


def _preload() -> None:
    from dialplane.services.notify import service  # noqa: F401, PLC0415 -- as above
    from dialplane.services.notify.target import prepare  # noqa: PLC0415 -- as above

    prepare()


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.notify.api import mounts  # noqa: PLC0415 -- as above

    return mounts()


def _faults(view: SiteView, now: datetime) -> Iterator[tuple[Key, Problem]]:
    from dialplane.services.notify.desired import faults  # noqa: PLC0415 -- as above

    return faults(view, now)


SERVICE = ServiceDefinition(
    name="notify",
    start=_start,
    preload=_preload,
    mounts=_mounts,
    scopes=(ScopeRule("notifications"),),
    tables=("dialplane.services.notify.tables.deliveries", "dialplane.services.notify.tables.known_states"),
    faults=_faults,
)
