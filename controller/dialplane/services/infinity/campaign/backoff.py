"""How long a tenant is left alone that took no call. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class TenantBackoff:
    """Nobody is called over a tenant until then."""

    until: datetime
    pause: timedelta
    """How long it is this time; the next is twice that."""
    why: str

    @classmethod
    def after(cls, before: "TenantBackoff | None", why: str, now: datetime) -> "TenantBackoff":
        """After a call that could not be placed. Those that failed at once with it do not make it longer."""
        if before is not None and now < before.until:
            return before
        pause = min(2 * before.pause, LONGEST) if before else FIRST
        return cls(now + pause, pause, why)
