"""What an on-call engineer needs to see of mailed messages (Prometheus). docs/operations.md explains each."""

from typing import Final

from prometheus_client import Counter, Gauge

MAILS: Final = Counter(
    "dialplane_voicemail_mails", "Attempts to mail a message of a mailbox: taken, refused, failed.", ["result"]
)
WAITING: Final = Gauge("dialplane_voicemail_waiting", "Messages of mailboxes that are to be mailed and are not yet.")
