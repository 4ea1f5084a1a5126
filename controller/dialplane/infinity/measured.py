"""The desk, with whoever must hear of calls that get no extension."""

from collections.abc import Callable
from typing import Any

from dialplane.infinity import metrics
from dialplane.infinity.lease import LeaseDesk
from dialplane.store.calls import NewCall
from dialplane.store.leases import Denied, Leased


class MeasuredDesk(LeaseDesk):
    """Counts who gets none, and says so."""

    def __init__(self, *given: Any, denied: Callable[[str, Denied], None], **named: Any) -> None:
        """As `LeaseDesk`; `denied` is told the tenant of each call that got none, and why."""
        super().__init__(*given, **named)
        self._denied = denied

    async def lease(self, wanted: NewCall, *, wait_seconds: float = 0) -> Leased:
        """See `LeaseDesk.lease`."""
        leased = await super().lease(wanted, wait_seconds=wait_seconds)
        if leased.denied is not None:
            metrics.DENIED.labels(wanted.tenant, leased.denied.reason).inc()
            self._denied(wanted.tenant, leased.denied)
        return leased
