"""What an on-call engineer needs to see of pictures (Prometheus). docs/operations.md explains each."""

from prometheus_client import Counter, Gauge

PICTURES = Counter(
    "dialplane_device_pictures_total",
    "Pictures of devices: stored, refused (no picture, too large), or dropped (too many at once, no room).",
    ["result"],
)
WAITING = Gauge("dialplane_device_pictures_waiting", "Pictures on this machine that wait to be stored.")
WAITING_BYTES = Gauge("dialplane_device_pictures_waiting_bytes", "How large they are together.")
STORAGE_FAILURES = Counter("dialplane_device_storage_failures_total", "Times that the object storage failed.")
DELETED = Counter("dialplane_device_pictures_deleted_total", "Pictures deleted because they were too old or too many.")
