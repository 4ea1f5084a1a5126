"""`/bots`: calls of bots and their transcripts."""

from collections.abc import Sequence

from dialplane.api.mount import Mount


def mounts() -> Sequence[Mount]:
    """Return every path about bots."""
    return ()
