"""What was measured, raw, and the figures that follow from it. Times in seconds, memory in bytes."""

import statistics
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict


class Figures(BaseModel):
    """Measured once, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NaiveRun(Figures):
    """The naive operator's cold start."""

    seconds: float
    cpu_seconds: float
    peak_rss: int
    requests: int


class ColdStart(Figures):
    """From the start of the process to the last Ready."""

    n: int
    seconds: float
    cpu_seconds: float
    peak_rss: int
    requests: dict[str, int]
    reloads: list[str]
    patch_floor: list[float]
    """Each round of bare patches."""
    reload_floor: list[float]
    """Each bare reload."""
    naive: NaiveRun

    @property
    def floor(self) -> float:
        """The two floors together: the better round of patches, the middle reload."""
        return min(self.patch_floor) + statistics.median(self.reload_floor)


class OneChange(Figures):
    """From a PATCH to Ready with its generation, for each change."""

    n: int
    samples: list[float]
    reload_floor: list[float]


class SteadyState(Figures):
    """Nothing changes, phones register; per process."""

    n: int
    phones: int
    seconds: float
    registers: int
    cpu_seconds: float
    requests: dict[str, int]
    reloads: list[str]
    naive_cpu_seconds: float
    naive_requests: int

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_seconds / self.seconds

    def per_minute(self, count: float) -> float:
        """A count or a sum of the whole time, per minute."""
        return 60 * count / self.seconds


class Storm(Figures):
    """Many changes in a short time."""

    n: int
    edits: int
    seconds: float
    """Until the last one was sent."""
    staleness: list[float]
    """Of each change, in the order they were answered."""
    reloads: list[str]
    reload_floor: list[float]


class StandaloneSite(Figures):
    """The same through ``dialplane run``: from its start to the last Ready, and changes by file."""

    n: int
    seconds: float
    cpu_seconds: float
    peak_rss: int
    samples: list[float]
    reload_floor: list[float]
    parse_floor: float


class Command(Figures):
    """One command on a folder of manifests."""

    name: str
    n: int
    seconds: float
    parse_floor: float
    """All files that it reads, by libyaml into plain values."""


class InboxWrites(Figures):
    """Messages received that the store keeps in a second, each with its event."""

    database: str
    batch: int
    """Messages in one transaction."""
    per_second: float
    bare_per_second: float
    """The same rows by a bare loop, on the database's own driver."""


class Messages(Figures):
    """Text messages received at an even pace, each told to one Notifier."""

    per_second: int
    seconds: float
    """Until the last one was told."""
    samples: list[float]
    """From each delivery to a modem to its arrival at the receiver, in order."""
    bare: list[float]
    """The same by a bare loop that keeps nothing."""
    cpu_seconds: float
    """Of the controller."""
    peak_rss: int
    writes: list[InboxWrites]


class Leases(Figures):
    """Calls that are given extensions of one pool, and give them back."""

    database: str
    pool: int
    callers: int
    samples: list[float]
    """From each question to its answer, by callers who hold an extension for a moment and then pause."""
    per_second: float
    """Leases that are given back, by callers who never pause."""
    naive: list[float]
    """The same by an allocator with a transaction for each caller."""
    naive_per_second: float
    updates_per_second: float
    """Bare transactions of one UPDATE."""


class Calls(Figures):
    """Calls placed over HTTP at an even pace, all of them taken by the platform."""

    database: str
    per_second: int
    after: float
    """How long the platform takes to answer."""
    samples: list[float]
    """From asking for each call to the answer that it is placed, in order."""
    bare: list[float]
    """The same of a bare client that asks the platform itself."""
    seconds: float
    cpu_seconds: float
    """Of the controller."""
    peak_rss: int


class DeviceCommands(Figures):
    """Commands to devices at an even pace, many in each request."""

    per_second: int
    near: bool
    """Whether the process that took the request has the device's connection; else another one has it."""
    samples: list[float]
    """From asking for each command to its arrival at the device."""
    missing: int
    """Commands that were taken and had not arrived at their deadline."""
    transactions_per_second: float
    """That wrote, of the whole site: what became of the commands too."""


class DeviceLoad(Figures):
    """Devices at one gateway; what is of one device, or of one thing that it does, is an average."""

    n: int
    interval: float
    """Between two heartbeats of one device."""
    connect_cpu: float
    beat_cpu: float
    """Of a heartbeat and its pong."""
    rss: float
    pong_p99: float
    devices_cpu: float
    """Of the simulated devices themselves, of one core."""
    bare_connect_cpu: float
    bare_beat_cpu: float
    bare_rss: float
    bare_pong_p99: float
    connects_per_transaction: float
    writes_per_second: float
    """Transactions that write, of the whole site, while nothing happens but heartbeats."""
    log_per_minute: float
    """Bytes that PostgreSQL writes ahead meanwhile."""
    tls_n: int
    tls_rss: float
    tls_connect_cpu: float
    back_seconds: float
    """From the end of a gateway that is started again until the last device is back."""
    told: int
    """Events and changed statuses for that."""
    commands: list[DeviceCommands]


class VoiceCalls(Figures):
    """Calls of bots, both sides speaking; what is of one call is an average."""

    n: int
    seconds: float
    real_time: bool
    """Whether all ran with SCHED_FIFO."""
    bot_cpu: float
    """Of one core."""
    asterisk_cpu: float
    rss: int
    arrival_p50: float
    arrival_p99: float
    gaps: int
    """Of more than 60 ms, in all calls."""
    bare_cpu: float
    bare_asterisk_cpu: float
    bare_rss: int
    bare_arrival_p99: float
    first_audio: list[float]
    """From the decision to speak to the first sound at the caller."""
    silence: list[float]
    """From a FLUSH to the last sound; 0 where it came before."""


class Machine(Figures):
    """Where it was measured, and with which versions."""

    date: str
    cpu: str
    cores: int
    memory: int
    versions: dict[str, str]


class Results(Figures):
    """A whole run."""

    machine: Machine
    seconds: float = 0
    cold: list[ColdStart] = []
    change: list[OneChange] = []
    steady: list[SteadyState] = []
    storm: list[Storm] = []
    standalone: list[StandaloneSite] = []
    commands: list[Command] = []
    messages: list[Messages] = []
    leases: list[Leases] = []
    calls: list[Calls] = []
    devices: list[DeviceLoad] = []
    voice: list[VoiceCalls] = []
    apart: dict[str, Machine] = {}
    """Topics that were measured in a run of their own, and where."""

    def with_topics(self, topics: Collection[str], later: Self) -> Self:
        """These results with those topics from a later run in the place of their own."""
        apart = self.apart | dict.fromkeys(topics, later.machine)
        return self.model_copy(update={**{topic: getattr(later, topic) for topic in topics}, "apart": apart})

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls.model_validate_json(path.read_text())


def percentile(samples: Sequence[float], percent: int) -> float:
    """The smallest sample that at least `percent` of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
