"""Facts about the running Asterisk as a whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dialplane.asterisk.ami import Ami


@dataclass(frozen=True, slots=True)
class AsteriskStatus:
    """Version and load."""

    version: str
    started_at: datetime
    reloaded_at: datetime
    active_channels: int
    active_calls: int


async def asterisk_status(ami: Ami) -> AsteriskStatus:
    """Ask for version, start time, channels and calls."""
    raise NotImplementedError


async def busy_contexts(ami: Ami) -> Mapping[str, int]:
    """How many channels are in each dialplan context: a routine that is not here may be removed."""
    raise NotImplementedError


async def missing_modules(ami: Ami, modules: Iterable[str]) -> tuple[str, ...]:
    """Those of the given modules that are not running, sorted."""
    raise NotImplementedError
