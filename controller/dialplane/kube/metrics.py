"""What Prometheus may know of the Kubernetes door.

Labels are kinds and results, never names: a name may be a number that somebody dials, and thousands of label values
would cost more than they tell.
"""

from prometheus_client import Counter, Gauge, Histogram

STATUS_WRITES = Counter("dialplane_status_writes", "Status patches sent to the API server.", ("kind", "result"))
STATUS_UNCHANGED = Counter("dialplane_status_unchanged", "Reports that needed no status patch.")
WATCH_EVENTS = Counter("dialplane_watch_events", "Watch events received.", ("kind",))
OBJECTS = Gauge("dialplane_inventory_objects", "Objects in the inventory.", ("kind",))
EVENTS_POSTED = Counter("dialplane_events_posted", "Events posted, by what became of them.", ("result",))
LEADER = Gauge("dialplane_leader", "1 while this process holds the lease.")
BARRIER_SECONDS = Gauge("dialplane_barrier_seconds", "Seconds from the start until the whole namespace was seen.")
PUBLISH_SECONDS = Histogram("dialplane_publish_seconds", "Duration of writing one round of statuses.")
ADMISSIONS = Counter("dialplane_admissions", "Admission reviews answered, by verdict.", ("kind", "result"))
ADMISSION_SECONDS = Histogram(
    "dialplane_admission_seconds",
    "Time that the verdict of an admission review took.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0),
)
