"""Outbound calls over the Infinity platform: leases of extensions, the calls they live with, and campaigns of them."""

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
    from dialplane.services.infinity.service import InfinityService  # noqa: PLC0415 -- most sites have no tenant

    return InfinityService(context.store, context.site, tell=context.notice)


def _preload() -> None:
    from dialplane.services.infinity import service  # noqa: F401, PLC0415 -- as above


def _mounts() -> "Sequence[Mount]":
    from dialplane.services.infinity.api import mounts  # noqa: PLC0415 -- as above

    return mounts()


def _faults(view: SiteView, now: datetime) -> Iterator[tuple[Key, Problem]]:
    from dialplane.services.infinity.campaign.desired import faults  # noqa: PLC0415 -- as above

    return faults(view, now)


SERVICE = ServiceDefinition(
    name="infinity",
    start=_start,
    preload=_preload,
    mounts=_mounts,
    scopes=(
        # Who may place calls of a tenant, or manage it, may read it too.
        ScopeRule("infinity", {"read": ("read",), "call": ("call", "read"), "manage": ("manage", "read")}),
    ),
    tables=tuple(
        f"dialplane.services.infinity.tables.{name}"
        for name in ("calls", "destinations", "do_not_call", "pools", "unmatched_callbacks")
    ),
    faults=_faults,
)
