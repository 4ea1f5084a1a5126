"""What an on-call engineer needs to see of text messages (Prometheus). docs/operations.md explains each.

No label names a modem, a number or a person.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0, 86_400.0)
_DBM = (-113, -109, -105, -101, -97, -93, -89, -85, -79, -73, -65, -51)

SENT = Counter("dialplane_sms_sent_total", "Text messages to send that are over, by their phase.", ["result"])
RECEIVED = Counter("dialplane_sms_received_total", "Text messages received and stored.")
ATTEMPTS = Counter("dialplane_sms_attempts_total", "Messages handed to a modem, by its answer.", ["result"])
QUEUE_SECONDS = Histogram(
    "dialplane_sms_queue_seconds", "From queued to taken by a modem, of first parts.", buckets=_SECONDS
)
MODEMS = Gauge("dialplane_modems", "Modems that are used, by whether they can take messages.", ["state"])
SIGNAL = Histogram("dialplane_modem_signal_dbm", "Signal of the modems, looked at once a minute.", buckets=_DBM)
REMEDIES = Counter("dialplane_modem_remedies_total", "What the watchdog did to modems.", ["remedy"])
