"""Reloading one module of Asterisk, and which modules a changed file asks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from dialplane.asterisk.ami import Ami


class ReloadStatus(IntEnum):
    """What Asterisk says of a reload (AMI event `Reload`, main/loader.c). For PJSIP, DONE proves nothing: read back."""

    DONE = 0
    QUEUED = 1
    NOT_FOUND = 2
    ERROR = 3
    IN_PROGRESS = 4
    UNINITIALISED = 5
    UNSUPPORTED = 6


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """How one reload ended."""

    module: str
    status: ReloadStatus
    duration_ms: float

    @property
    def succeeded(self) -> bool:
        """Whether Asterisk says it is done; PJSIP says so of broken files, too."""
        return self.status is ReloadStatus.DONE


@dataclass(frozen=True, slots=True)
class Reloads:
    """What makes Asterisk read changed files: modules to reload, in order, and files that only a restart reads."""

    modules: tuple[str, ...] = ()
    restart_for: tuple[str, ...] = ()


def reloads_for(changed_files: Iterable[str]) -> Reloads:
    """The fewest reloads that cover the changed files (paths below the config directory)."""
    raise NotImplementedError


async def reload(ami: Ami, module: str, *, timeout: float = 60.0) -> ReloadResult:
    """Reload one module; one at a time per connection. Raises ActionTimeout, ConnectionLost, ActionRefused."""
    raise NotImplementedError
