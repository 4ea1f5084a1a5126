"""What Prometheus may know of the wire."""

from prometheus_client import Counter

EVENTS = Counter("dialplane_ami_events_total", "Events received over AMI, before anybody chose among them.")
EVENTS_DROPPED = Counter(
    "dialplane_ami_events_dropped_total", "Events thrown away because their consumer fell behind; state is asked anew."
)
