"""The protocol of `chan_websocket`, as far as it can be written without a socket: pure.

Audio goes as binary messages, commands and events as JSON texts. What Asterisk 22.10.1 does with what it cannot take
was measured: a text of more than 128 bytes is ignored, a binary message of more than 65,535 closes the socket, what is
queued beyond 20 s is dropped in silence, and a FLUSH drops the marks too.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from dialplane.asterisk.media_events import MediaDrained, MediaEvent, MediaKey, MediaMark

FRAME_BYTES: Final = 640
FRAME_SECONDS: Final = 0.02
BYTES_PER_SECOND: Final = 32_000
LONGEST_MESSAGE: Final = 60_000 // FRAME_BYTES * FRAME_BYTES
"""Bytes of audio in one message."""
LONGEST_COMMAND: Final = 128
"""Bytes."""
AHEAD: Final = 15.0
"""Seconds of audio that may be queued in Asterisk."""
STALE: Final = 0.3
"""Seconds after which what a caller said is too old to be answered."""
_MARK: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,60}")
_AT_ONCE: Final = FRAME_SECONDS / 4
"""Frames that come so close to each other had been waiting."""
_AT_PACE: Final = 5
"""Frames in a row at their own pace say that nothing waits any more."""


def command(name: str, **fields: str) -> str:
    """Return the text of a command."""
    return json.dumps({"command": name, **fields}, separators=(",", ":"))


FLUSH: Final = command("FLUSH_MEDIA")
HANG_UP: Final = command("HANGUP")
REPORT_DRAINED: Final = command("REPORT_QUEUE_DRAINED")


def mark(name: str) -> str:
    """Return the command that sets a mark behind what is queued.

    Raises:
        ValueError: Asterisk would ignore it: a mark has 1 to 60 characters, letters, digits and `_.:/-`.
    """
    if not _MARK.fullmatch(name):
        raise ValueError(f"a mark has 1 to 60 characters, letters, digits and _.:/-, not {name[:80]!r}")
    return command("MARK_MEDIA", correlation_id=name)


def pieces(audio: bytes) -> Iterator[bytes]:
    """Yield messages that Asterisk takes, of whole frames; silence fills the last one."""
    for start in range(0, len(audio), LONGEST_MESSAGE):
        piece = audio[start : start + LONGEST_MESSAGE]
        yield piece + bytes(-len(piece) % FRAME_BYTES)


def decode(text: str) -> dict[str, Any]:
    """Return an event or a command; empty where the text is none."""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def event_of(message: dict[str, Any]) -> MediaEvent | None:
    """Return what an event of Asterisk means to a call; None where it means nothing."""
    match message:
        case {"event": "DTMF_END", "digit": str(digit)}:
            return MediaKey(digit)
        case {"event": "MEDIA_MARK_PROCESSED", "correlation_id": str(name)}:
            return MediaMark(name)
        case {"event": "QUEUE_DRAINED"}:
            return MediaDrained()
    return None


class Freshness:
    """Tells what a caller says now from what had to wait while this process was held up.

    Frames have no times. But Asterisk sends one every 20 ms: what is missing after a pause has either not been sent, or
    comes all at once.
    """

    def __init__(self) -> None:
        self._arrived: float | None = None
        self._behind = 0.0
        self._at_pace = 0

    def keeps(self, now: float) -> bool:
        """Note a frame that arrives at this moment, in seconds; return whether it is new enough."""
        if self._arrived is None:
            self._arrived = now
            return True
        passed = now - self._arrived
        self._arrived = now
        self._behind = max(0.0, self._behind + passed - FRAME_SECONDS)
        self._at_pace = self._at_pace + 1 if FRAME_SECONDS / 2 <= passed <= FRAME_SECONDS * 2 else 0
        if self._at_pace >= _AT_PACE:
            self._behind = 0.0
        return self._behind <= STALE or passed > _AT_ONCE


class PlayQueue:
    """What Asterisk has yet to play, by the clock: it plays exactly 50 frames a second."""

    def __init__(self) -> None:
        self._ends = 0.0
        self.full = False
        """Asterisk has said itself that it is."""

    def add(self, audio: bytes, now: float) -> None:
        """Note audio that is sent at this moment, in seconds."""
        self._ends = max(self._ends, now) + len(audio) / BYTES_PER_SECOND

    def seconds(self, now: float) -> float:
        """Return how long it has yet to play."""
        return max(0.0, self._ends - now)

    def wait(self, now: float) -> float | None:
        """Return the seconds until there is room for one more message; None: until Asterisk says so."""
        if self.full:
            return None
        return max(0.0, self.seconds(now) - (AHEAD - LONGEST_MESSAGE / BYTES_PER_SECOND))

    def clear(self) -> None:
        """All of it was dropped."""
        self._ends = 0.0
        self.full = False
