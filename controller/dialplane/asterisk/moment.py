"""Moments that keep their order when somebody sets the clock, within one process and from one to the next."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, by two clocks: one that nobody can set, and the wall clock where that one says nothing.

    Times are in seconds.
    """

    boot: str
    """Names one run of one machine's kernel; empty where it has no name (not Linux)."""
    elapsed: float
    """Since that kernel started, a suspended machine included (CLOCK_BOOTTIME)."""
    wall: float
    """Since 1970, by whatever the clock said then."""

    @classmethod
    def now(cls) -> Self:
        """This moment."""
        try:
            boot = _BOOT_ID.read_text().strip()
        except OSError:
            boot = ""
        return cls(boot, time.clock_gettime(time.CLOCK_BOOTTIME) if boot else 0.0, time.time())

    def before(self, seconds: float) -> Self:
        """So much earlier."""
        return replace(self, elapsed=self.elapsed - seconds, wall=self.wall - seconds)

    def since(self, earlier: "Moment") -> float:
        """How long after `earlier`; of another boot, or another machine, only the wall clocks can be compared."""
        if self.boot and self.boot == earlier.boot:
            return self.elapsed - earlier.elapsed
        return self.wall - earlier.wall
