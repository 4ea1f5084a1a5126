"""What an on-call engineer needs to see of a site (Prometheus)."""

from collections import Counter as Tally
from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from dialplane.resources.key import Key
from dialplane.resources.problem import Problem

passes = Counter("dialplane_passes_total", "Passes of the site loop, by how they ended.", ["result"])
phase = Histogram("dialplane_phase_seconds", "How long a phase of a pass took.", ["phase"])
reloads = Counter(
    "dialplane_reloads_total", "Reloads of Asterisk, by module and by what Asterisk said.", ["module", "result"]
)
reload_seconds = Histogram("dialplane_reload_seconds", "How long a reload took.", ["module"])
connected = Gauge("dialplane_ami_connected", "1 while the manager interface is connected.")
last_pass = Gauge("dialplane_last_pass_timestamp_seconds", "When a pass last ended well.")
resources = Gauge("dialplane_resources", "Resources of the site, by kind.", ["kind"])
problem_count = Gauge("dialplane_problems", "Resources with a problem, by kind and reason.", ["kind", "reason"])


def count_problems(found: Mapping[Key, tuple[Problem, ...]]) -> None:
    """Show the problems of the last plan."""
    tally = Tally((key.kind, str(problems[0].reason)) for key, problems in found.items() if problems)
    problem_count.clear()
    for labels, number in tally.items():
        problem_count.labels(*labels).set(number)


def count_resources(keys: Mapping[Key, object]) -> None:
    """Show how many resources the site has."""
    resources.clear()
    for kind, number in Tally(key.kind for key in keys).items():
        resources.labels(kind).set(number)
