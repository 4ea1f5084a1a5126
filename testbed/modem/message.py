"""AMI on the wire: what a client sends, cut into messages byte for byte, and what Asterisk's way of writing is.

Source: Asterisk's ``manager.c``; measured on 22.10: a line of 1,024 bytes with its end is taken, a longer one refused.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BLANKS = "".join(map(chr, range(33)))  # ast_skip_blanks
LINE_LIMIT = 1024
"""Bytes of one line with its end."""


@dataclass(frozen=True)
class Action:
    """One message of a client.

    Attributes:
        raw: exactly what came.
        fields: name and value of each line that has a colon, in order.
        whole: False if a line of it is too long: only Asterisk itself may answer that.
    """

    raw: bytes
    fields: tuple[tuple[str, str], ...]
    whole: bool = True

    def get(self, name: str) -> str:
        """The first field of this name, whatever its case; empty if there is none."""
        return next((value for given, value in self.fields if given.lower() == name.lower()), "")


class Cutter:
    """Cuts a client's stream into actions."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seen = 0
        self._broken = False

    def feed(self, data: bytes) -> Iterator[Action]:
        """The actions that ``data`` completes. A line that is too long comes at once, as Asterisk would not wait."""
        self._buffer += data
        while (end := self._buffer.find(b"\n", self._seen)) >= 0:
            line = self._buffer[self._seen : end + 1]
            self._seen = end + 1
            if line.rstrip(b"\r\n") == b"":
                yield self._take(self._seen)
                self._broken = False
        if len(self._buffer) - self._seen > LINE_LIMIT:
            yield self._take(len(self._buffer))
            self._broken = True

    def _take(self, end: int) -> Action:
        raw = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._seen = 0
        lines = raw.split(b"\n")
        whole = not self._broken and all(len(line) < LINE_LIMIT for line in lines)
        fields = []
        for line in lines:
            name, colon, value = line.removesuffix(b"\r").decode(errors="surrogateescape").partition(":")
            if colon:
                fields.append((name, value.lstrip(_BLANKS)))
        return Action(raw, tuple(fields), whole)


def encode(fields: Sequence[tuple[str, str]]) -> bytes:
    """One message; a field without a name is a blank line of its own."""
    lines = [f"{name}: {value}\r\n" if name else "\r\n" for name, value in fields]
    return ("".join(lines) + "\r\n").encode(errors="surrogateescape")


def event(name: str, fields: Sequence[tuple[str, str]]) -> bytes:
    """An event of class ``call``, with the time stamp of ``timestampevents = yes``."""
    return encode([("Event", name), ("Privilege", "call,all"), ("Timestamp", f"{time.time():.6f}"), *fields])


def answer(action: Action, message: str, *, ok: bool, follows: bool = False) -> bytes:
    """``astman_send_ack`` and ``astman_send_error``; ``follows`` begins a list."""
    number = action.get("ActionID")
    head = [("Response", "Success" if ok else "Error")]
    head += [("ActionID", number)] if number else []
    head += [("EventList", "start")] if follows else []
    return encode([*head, ("Message", message)])
