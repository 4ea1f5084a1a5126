"""What requests about devices may take."""

from typing import Final

from dialplane.api.concurrency import Concurrency
from dialplane.api.limits import SECONDS, Allowance
from dialplane.api.rate_limit import Rate, TokenRate

DEVICES_MOST: Final = 20_000
"""Devices of one site that registered themselves."""
BULK_MOST: Final = 1000
"""Devices of one bulk command."""
DATA_BYTES: Final = 4096
"""Of what goes with a command, as JSON."""
DATA_DEPTH: Final = 16
"""Arrays and objects in each other."""
PICTURE_SECONDS: Final = 10.0
"""How long a caller waits for a picture."""
EXPORT_SECONDS: Final = 300.0
"""For a journal to be exported."""

REGISTERING: Final = TokenRate("devices registering", Rate(10, 60), "registrations with this token")
WATCHING: Final = Concurrency("pictures awaited", 20, 60, "pictures are being waited for")
EXPORTING: Final = Concurrency("journals exported", 4, 16, "journals are being exported")

ALLOWANCES: Final = (
    ("GET", "/devices/remote/{id}/snapshot", Allowance(seconds=SECONDS + PICTURE_SECONDS)),
    ("GET", "/devices/{id}/journal.jsonl", Allowance(seconds=SECONDS + EXPORT_SECONDS)),
)
