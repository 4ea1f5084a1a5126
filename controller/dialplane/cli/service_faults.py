"""What the services would say of a site: the very readers that they read lists and addresses with."""

from collections.abc import Iterator
from datetime import UTC, datetime

from dialplane.cli.extras import missing_extra
from dialplane.plan.plan import Plan
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import SiteView
from dialplane.services.registry import SERVICES


def service_faults(snapshot: Snapshot, plan: Plan) -> Iterator[tuple[Key, Problem]]:
    """Yield what keeps resources from being served though the plan accepts them.

    Args:
        snapshot: the site, with the values of Secrets as far as they are known.
        plan: the plan of it.

    Raises:
        Unusable: what reads them is not installed.
    """
    view = SiteView(snapshot, frozenset(key for key in snapshot.resources if not _excluded(plan, key)))
    for service in SERVICES:
        if service.wanted(view):
            try:
                yield from service.faults(view, datetime.now(UTC))
            except ImportError as error:
                raise missing_extra(error, "services") from error


def _excluded(plan: Plan, key: Key) -> bool:
    return any(not problem.partial for problem in plan.problems.get(key, ()))
