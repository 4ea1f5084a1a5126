"""How long a tenant is left alone that took no call. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dialplane.tasks import Backoff

BACKOFF: Final = Backoff(1, 60)


@dataclass(frozen=True, slots=True)
class TenantBackoff:
    """Nobody is called over a tenant until then."""

    until: datetime
    failures: int
    """Calls in a row that could not be placed."""
    why: str

    @classmethod
    def after(cls, before: "TenantBackoff | None", why: str, now: datetime) -> "TenantBackoff":
        """After a call that could not be placed. Those that failed at once with it do not make it longer."""
        if before is not None and now < before.until:
            return before
        failures = before.failures + 1 if before else 1
        return cls(now + timedelta(seconds=BACKOFF.wait_after(failures)), failures, why)
