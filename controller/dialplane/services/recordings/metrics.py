"""What an on-call engineer needs to see of recordings (Prometheus). docs/operations.md explains each."""

from typing import Final

from prometheus_client import Counter

PROOFS: Final = Counter(
    "dialplane_recording_proofs", "Attempts of Asterisk to write a recording, by how they ended.", ["result"]
)
DELETED: Final = Counter("dialplane_recordings_deleted", "Recordings deleted because they were old.")
