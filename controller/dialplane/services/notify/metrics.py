"""What Prometheus may know of notifications: results, never names, addresses or contents."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS: Final = Counter(
    "dialplane_notification_attempts", "Attempts to tell, by result (delivered, failed, dead).", ["result"]
)
ATTEMPT_SECONDS: Final = Histogram(
    "dialplane_notification_attempt_seconds",
    "How long an attempt took.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
DELAY_SECONDS: Final = Histogram(
    "dialplane_notification_delay_seconds",
    "From what happened to the service's having taken it.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0),
)
PENDING: Final = Gauge("dialplane_notifications_pending", "Notifications that wait, or are tried again.")
STUCK: Final = Gauge("dialplane_notification_threads_stuck", "Attempts that do not end, each in a thread of its own.")
