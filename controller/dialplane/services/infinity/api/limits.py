"""What requests of `/infinity` may take."""

from typing import Final

from dialplane.api.concurrency import Concurrency
from dialplane.api.limits import SECONDS, UPLOAD, Allowance

WAIT_SECONDS: Final = 60
"""How long a caller may wait for an extension."""
CALL_SECONDS: Final = WAIT_SECONDS + 60.0
"""For a call to be placed: the wait, the longest `requestTimeoutSeconds` (30), and the store."""
STREAM_SECONDS: Final = 900.0
"""For an event stream; who follows longer asks again."""

PLACING: Final = Concurrency("placing", 250, 350, "calls are being placed")
"""Calls that are being placed, those that wait for an extension among them. With the event streams fewer than
`server.CONNECTIONS`: platforms must get their word in, or no extension that is waited for would ever be free."""
STREAMS: Final = Concurrency("streams", 50, 200, "event streams are open")

ALLOWANCES: Final = (
    ("POST", "/infinity/make-call", Allowance(seconds=SECONDS + CALL_SECONDS)),
    ("POST", "/infinity/configs/{tenant}/test-connection", Allowance(seconds=2 * SECONDS)),
    ("GET", "/infinity/calls/{id}/events", Allowance(seconds=SECONDS + STREAM_SECONDS)),
    (
        "PUT",
        "/infinity/campaigns/{name}/destinations",
        Allowance(UPLOAD, body_seconds=2 * SECONDS, seconds=4 * SECONDS, right=("infinity", "manage")),
    ),
)
