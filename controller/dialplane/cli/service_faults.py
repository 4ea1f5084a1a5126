"""What the services would say of a site: the very readers that they read lists and addresses with."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dialplane.cli.extras import missing_extra
from dialplane.plan.plan import Plan
from dialplane.resources.campaign import CampaignSpec
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.key import Key
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.problem import Problem
from dialplane.resources.snapshot import Snapshot

if TYPE_CHECKING:
    from dialplane.services.contract import SiteView


def service_faults(snapshot: Snapshot, plan: Plan) -> Iterator[tuple[Key, Problem]]:
    """What keeps resources from being served though the plan accepts them.

    Args:
        snapshot: the site, with the values of Secrets as far as they are known.
        plan: the plan of it.

    Raises:
        Unusable: what reads them is not installed.
    """
    specs = [resource.spec for resource in snapshot.resources.values()]
    calls = any(isinstance(spec, CampaignSpec | InfinityTenantSpec) for spec in specs)
    notifiers = any(isinstance(spec, NotifierSpec) for spec in specs)
    if not calls and not notifiers:
        return
    from dialplane.services.contract import SiteView

    view = SiteView(snapshot, frozenset(key for key in snapshot.resources if not _excluded(plan, key)))
    if calls:
        yield from _of_calls(view)
    if notifiers:
        yield from _of_notifiers(view)


def _excluded(plan: Plan, key: Key) -> bool:
    return any(not problem.partial for problem in plan.problems.get(key, ()))


def _of_calls(view: "SiteView") -> Iterator[tuple[Key, Problem]]:
    try:
        from dialplane.services.infinity.campaign.desired import faults
    except ImportError as error:
        raise missing_extra(error, "services") from error
    yield from faults(view, datetime.now(UTC))


def _of_notifiers(view: "SiteView") -> Iterator[tuple[Key, Problem]]:
    try:
        from dialplane.services.notify.desired import desired_notifiers
    except ImportError as error:
        raise missing_extra(error, "services") from error
    yield from ((duty.key, duty.problem) for duty in desired_notifiers(view, {}).values() if duty.problem is not None)
