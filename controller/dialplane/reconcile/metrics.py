"""What an on-call engineer needs to see of a site (Prometheus). docs/operations.md explains each.

What happened is counted where it happens. What *is* (connected, channels, conditions) is asked of the running site loop
at each scrape: a loop that has ended, of a deposed leader say, leaves no series behind that claims something.
Labels are kinds, reasons and results: never a name, a number or an address.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dialplane.resources.conditions import ConditionType, Report, Truth
from dialplane.resources.key import Key

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

passes = Counter("dialplane_passes_total", "Passes of the site loop, by how they ended.", ["result"])
phase = Histogram("dialplane_phase_seconds", "How long a phase of a pass took.", ["phase"], buckets=_SECONDS)
last_pass = Gauge("dialplane_last_pass_timestamp_seconds", "When a pass last ended well.")
event_lag = Histogram(
    "dialplane_event_lag_seconds", "From a change seen to the snapshot that has it, by snapshot.", buckets=_SECONDS
)
change_seconds = Histogram(
    "dialplane_change_seconds", "From the first change of a pass to its verdicts in the statuses.", buckets=_SECONDS
)
reloads = Counter(
    "dialplane_reloads_total", "Reloads of Asterisk, by module and by what Asterisk said.", ["module", "result"]
)
reload_seconds = Histogram("dialplane_reload_seconds", "How long a reload took.", ["module"], buckets=_SECONDS)
security_events = Counter(
    "dialplane_security_events_total", "What Asterisk refused, by its own word and its service.", ["kind", "service"]
)

_SHOWN = tuple(kind for kind in ConditionType if kind is not ConditionType.STALLED)  # it repeats Accepted=False


@dataclass(frozen=True, slots=True)
class Figures:
    """What a site loop knows at one moment; None: nobody knows."""

    connected: bool | None = None
    converged: bool | None = None
    pending_seconds: float | None = None
    reports: Mapping[Key, Report] = field(default_factory=dict)
    channels: int | None = None
    calls: int | None = None
    contacts: int | None = None
    started_at: float | None = None
    """Unix time."""


class Site(Collector):
    """The site loop of this process, while there is one."""

    def __init__(self) -> None:
        self._look: Callable[[], Figures] | None = None

    def show(self, look: Callable[[], Figures]) -> None:
        """Ask `look` from now on; it may be called from another thread."""
        self._look = look

    def hide(self) -> None:
        """The loop has ended."""
        self._look = None

    def describe(self) -> Iterable[Metric]:
        """The families alone."""
        return _families(Figures())

    def collect(self) -> Iterable[Metric]:
        """The families with what is known now."""
        look = self._look
        return _families(look()) if look else ()


def _families(now: Figures) -> Iterator[Metric]:
    for name, text, value in (
        ("ami_connected", "1 while the manager interface is connected.", now.connected),
        ("converged", "1 while the last pass ended well.", now.converged),
        ("pending_seconds", "How long the eldest change waits for its verdict; 0: none does.", now.pending_seconds),
        ("active_channels", "Channels that are up.", now.channels),
        ("active_calls", "Calls that are up.", now.calls),
        ("registered_contacts", "Phones that are registered, counted by contact.", now.contacts),
        ("asterisk_start_timestamp_seconds", "When Asterisk started.", now.started_at),
    ):
        family = GaugeMetricFamily(f"dialplane_{name}", text)
        if value is not None:
            family.add_metric((), value)
        yield family
    yield from _of_resources(list(now.reports.values()))


def _of_resources(reports: Iterable[Report]) -> Iterator[Metric]:
    resources = GaugeMetricFamily("dialplane_resources", "Resources of the site, by kind.", labels=["kind"])
    conditions = GaugeMetricFamily(
        "dialplane_conditions", "Resources by what a condition of theirs says.", labels=["kind", "type", "status"]
    )
    problems = GaugeMetricFamily(
        "dialplane_problems", "Conditions that are False, by reason.", labels=["kind", "type", "reason"]
    )
    number: Tally[str] = Tally()
    says: Tally[tuple[str, str, str]] = Tally()
    wrong: Tally[tuple[str, str, str]] = Tally()
    for report in reports:
        kind = report.key.kind
        number[kind] += 1
        for condition in report.conditions:
            says[kind, condition.type, condition.status] += 1
            if condition.status == Truth.FALSE:
                wrong[kind, condition.type, condition.reason] += 1
    for kind, count in number.items():
        resources.add_metric((kind,), count)
    for kind, type_ in {(kind, type_) for kind, type_, _ in says if type_ in _SHOWN}:
        for status in Truth:
            conditions.add_metric((kind, type_, status), says[kind, type_, status])
    for labels, count in wrong.items():
        problems.add_metric(labels, count)
    yield from (resources, conditions, problems)


site = Site()
REGISTRY.register(site)
