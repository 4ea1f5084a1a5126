"""Metrics of what calls leave behind."""

from typing import Final

from prometheus_client import Counter, Gauge

BACKLOG: Final = Gauge(
    "dialplane_bot_calls_backlog", "Turns, beginnings and ends of calls of bots that wait to be written."
)
DROPPED: Final = Counter(
    "dialplane_bot_calls_dropped_total",
    "Turns, beginnings and ends of calls of bots that were not written.",
    ["reason"],
)
