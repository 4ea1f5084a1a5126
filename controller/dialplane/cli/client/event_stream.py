"""PURE: server-sent events out of the bytes of a stream, as the HTML standard has them (9.2.6)."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 1_000_000
"""Characters of one event; a call has about 1,000."""


class BadStream(ValueError):
    """What comes is no stream of events."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    type: str
    data: str
    id: str


class Events:
    """Takes the bytes as they come, and gives the events that are whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._data: list[str] = []
        self._type = ""
        self._id = ""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that end in this chunk.

        Raises:
            BadStream: one of them never ends.
        """
        self._rest += self._decoder.decode(chunk)
        *lines, self._rest = _lines(self._rest)
        for line in lines:
            if line:
                self._field(line)
            elif self._data:
                yield Event(self._type or "message", "\n".join(self._data), self._id)
                self._data, self._type = [], ""
            else:
                self._type = ""
        if len(self._rest) + sum(map(len, self._data)) > LONGEST:
            raise BadStream("an event without an end")

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value


def _lines(text: str) -> list[str]:
    """The lines, and last what has no end yet; a CR at the end may be half of one. `splitlines` knows too many ends."""
    held = "\r" if text.endswith("\r") else ""
    parts = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    parts[-1] += held
    return parts
