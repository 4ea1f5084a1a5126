"""What an on-call engineer needs to see of bots (Prometheus); docs/operations.md explains each. No label names one."""

from typing import Final

from prometheus_client import Counter, Gauge

APPLICATIONS: Final = Gauge("dialplane_bot_applications", "Replicas of bots whose application takes calls.")
SERVED: Final = Gauge("dialplane_bots", "Bots that are to take calls, by whether a replica serves them.", ["state"])
RELEASED: Final = Counter(
    "dialplane_bot_callers_released_total", "Callers of a bot that died or hung whom the leader sent on."
)


def forget() -> None:
    """Show nothing of the bots any more: another process leads."""
    SERVED.clear()
    APPLICATIONS.set(0)
