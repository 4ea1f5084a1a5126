"""What Prometheus may know of the standalone door."""

from prometheus_client import Gauge

SOURCE_STALE = Gauge(
    "dialplane_source_stale", "1 while the newest state of the manifests cannot be read, and an older one is in force."
)
