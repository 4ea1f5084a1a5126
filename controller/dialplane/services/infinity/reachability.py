"""Whether the platform answers: asked now and then for each tenant, at once where there is reason to doubt.

A call that the platform took or refused says as much as a probe. Pure, apart from the clock it is given.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal

from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.problem import Reason
from dialplane.services.infinity.tenant import Tenant
from dialplane.tasks import Backoff

FINE_SECONDS: Final = 30.0
"""Between two probes of a platform that answers."""
LONGEST_SECONDS: Final = 300.0
"""Of one that does not: twice as long each time, up to this."""
DOUBT_SECONDS: Final = 5.0
"""Between two probes at least that failing calls ask for."""
DETAIL_MOST: Final = 512
"""Characters of what is said about a failure."""

State = Literal["unknown", "reachable", "unreachable"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one tenant's platform."""

    tenant: Tenant
    state: State = "unknown"
    detail: str = ""
    failures: int = 0
    """Probes in a row that failed."""
    asked_at: float = -inf
    due_at: float = -inf
    """When to ask next, in seconds of the clock."""
    asking: bool = False
    before: State = "unknown"
    """What it was before it came to be this."""

    @property
    def condition(self) -> Condition:
        """`Reachable`."""
        match self.state:
            case "reachable":
                return Condition(ConditionType.REACHABLE, Truth.TRUE, Reason.REACHABLE, "the platform answers")
            case "unreachable":
                return Condition(ConditionType.REACHABLE, Truth.FALSE, Reason.UNREACHABLE, self.detail)
            case _:
                return Condition(ConditionType.REACHABLE, Truth.UNKNOWN, Reason.NOT_QUALIFIED, "not asked yet")


class Reachable:
    """The platforms of all tenants that serve."""

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}

    def want(self, tenants: Iterable[Tenant]) -> None:
        """Look after these from now on; one whose manifest or Secret has changed is asked at once."""
        found = {}
        for tenant in tenants:
            known = self._standings.get(tenant.name)
            if known is None or known.tenant.uid != tenant.uid:
                known = Standing(tenant)
            elif not _same_platform(known.tenant, tenant):
                known = replace(known, tenant=tenant, due_at=-inf, failures=0, asking=False)
            else:
                known = replace(known, tenant=tenant)
            found[tenant.name] = known
        self._standings = found

    def due(self, now: float) -> list[Tenant]:
        """Whom to ask now; each counts as being asked until `asked` or `heard`."""
        found = [known for known in self._standings.values() if known.due_at <= now and not known.asking]
        for known in found:
            self._standings[known.tenant.name] = replace(known, asking=True)
        return [known.tenant for known in found]

    def next_at(self) -> float:
        """When somebody is due next, as far as it is known."""
        return min((known.due_at for known in self._standings.values() if not known.asking), default=inf)

    def asked(self, tenant: Tenant, now: float, *, answers: bool, detail: str = "") -> Standing | None:
        """Note what a probe found; the standing where its state is another than before.

        What was found of a platform that is no longer the tenant's does not count.
        """
        known = self._standings.get(tenant.name)
        if known is None or not _same_platform(known.tenant, tenant):
            return None
        failures = 0 if answers else known.failures + 1
        wait = FINE_SECONDS if answers else Backoff(FINE_SECONDS, LONGEST_SECONDS).wait_after(failures)
        return self._note(known, now, wait, answers=answers, detail=detail, failures=failures)

    def left(self, tenant: Tenant) -> None:
        """Note that a probe ended, perhaps without having found anything."""
        known = self._standings.get(tenant.name)
        if known is not None and known.asking and _same_platform(known.tenant, tenant):
            self._standings[tenant.name] = replace(known, asking=False)

    def answered(self, tenant: Tenant, now: float) -> Standing | None:
        """Note that the platform answered a call; the standing where its state is another than before."""
        known = self._standings.get(tenant.name)
        if known is None or not _same_platform(known.tenant, tenant):
            return None
        return self._note(known, now, FINE_SECONDS, answers=True, detail="", failures=0)

    def doubted(self, tenant: Tenant, now: float) -> None:
        """A call failed: look soon, but do not help to overload a platform that is ill."""
        known = self._standings.get(tenant.name)
        if known is not None and known.state != "unreachable":
            soon = max(now, known.asked_at + DOUBT_SECONDS)
            self._standings[tenant.name] = replace(known, due_at=min(known.due_at, soon))

    def of(self, tenant: str) -> Standing | None:
        """What is known of a tenant's; None where it is not looked after."""
        return self._standings.get(tenant)

    def _note(
        self, known: Standing, now: float, wait: float, *, answers: bool, detail: str, failures: int
    ) -> Standing | None:
        state: State = "reachable" if answers else "unreachable"
        after = replace(
            known,
            state=state,
            before=known.state,
            detail="" if answers else detail[:DETAIL_MOST],
            failures=failures,
            asked_at=now,
            due_at=now + wait,
            asking=False,
        )
        self._standings[known.tenant.name] = after
        return after if after.state != known.state else None


def _same_platform(one: Tenant, other: Tenant) -> bool:
    return one.uid == other.uid and _platform(one) == _platform(other)


def _platform(tenant: Tenant) -> tuple[object, ...]:
    spec = tenant.spec
    return spec.api_url, spec.app_id, spec.request_timeout_seconds, tenant.token
