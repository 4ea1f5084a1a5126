"""What requests about bots may take."""

from typing import Final

from dialplane.api.concurrency import Concurrency
from dialplane.api.limits import SECONDS, Allowance

RECORDING_SECONDS: Final = 600.0
"""For a recording to be read over a poor line."""
ERASE_SECONDS: Final = 120.0
"""For all that is left of somebody's calls to be erased."""

LISTENING: Final = Concurrency("recordings of bots", 4, 16, "recordings are being read")
ERASING: Final = Concurrency("callers erased", 2, 4, "callers are being erased")

ALLOWANCES: Final = (
    ("GET", "/bots/calls/{id}/recording", Allowance(seconds=SECONDS + RECORDING_SECONDS)),
    ("DELETE", "/bots/callers/{number}", Allowance(seconds=SECONDS + ERASE_SECONDS)),
)
