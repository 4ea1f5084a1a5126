"""AMI's bytes to messages and back: pure, so that every split and every odd byte can be tested without a socket.

A message is `Name: value` lines ended by CR LF, and an empty line (Asterisk's main/manager.c). The greeting is a single
line without that empty line, before the first message.
"""

from collections.abc import Iterator, Sequence

from dialplane.asterisk.errors import ConnectionLost, LineRefused
from dialplane.asterisk.message import Event, Response

EOL = "\r\n"
_END = b"\r\n\r\n"
_GREETING = b"Asterisk Call Manager/"
_NOISE = b"Event: TestEvent\r\n"
"""Debian builds Asterisk with test events: thousands a second, none of use."""

LONGEST_LINE = 999
"""Bytes of a line to Asterisk, without CR LF."""
LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes without an end of message after which the peer is not taken for an Asterisk."""


class Decoder:
    """Collects bytes, gives whole messages. Only whole messages are decoded: no packet border can cut a character."""

    def __init__(self) -> None:
        self._rest = b""
        self._searched = 0
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[Response | Event]:
        """The messages completed by `data`, in order; iterate it to the end.

        Raises:
            ConnectionLost: the peer does not speak AMI.
        """
        self._rest += data
        if not self._greeted and not self._take_greeting():
            return
        end = self._rest.rfind(_END, max(0, self._searched - len(_END)))
        if end < 0:
            self._searched = len(self._rest)
            if self._searched > LONGEST_MESSAGE:
                raise ConnectionLost(f"a message of more than {LONGEST_MESSAGE} bytes: the peer does not speak AMI")
            return
        whole, self._rest, self._searched = self._rest[:end], self._rest[end + len(_END) :], 0
        for block in whole.split(_END):
            if not block.startswith(_NOISE) and (message := decode(block)) is not None:
                yield message

    def _take_greeting(self) -> bool:
        line, found, rest = self._rest.partition(b"\r\n")
        if line[: len(_GREETING)] != _GREETING[: len(line)]:
            raise ConnectionLost("the peer does not speak AMI: its first line is not Asterisk's greeting")
        if found:
            self._rest, self._greeted = rest, True
        return self._greeted


def decode(block: bytes) -> Response | Event | None:
    """One message without its final empty line; None where it is neither response nor event."""
    fields: dict[str, str | tuple[str, ...]] = {}
    for line in block.decode("utf-8", "surrogateescape").split(EOL):
        name, found, value = line.partition(": ")
        if not found:
            name = line.removesuffix(":")
            if name == line:
                continue
        name = name.lower()
        if name not in fields:
            fields[name] = value
        else:
            before = fields[name]
            fields[name] = (before, value) if isinstance(before, str) else (*before, value)
    # The first line says what it is: the events ChallengeResponseFailed and OriginateResponse have a field `Response`.
    kind = next((name for name in fields if name in {"response", "event"}), None)
    if kind is None:
        return None
    return Response(fields) if kind == "response" else Event(fields)


def check_lines(fields: Sequence[tuple[str, str]]) -> None:
    """Refuse what would break out of its line, or be cut by Asterisk.

    Raises:
        LineRefused: names the field, never its value.
    """
    for name, value in fields:
        if any(c in text for text in (name, value) for c in "\r\n\0") or ":" in name:
            raise LineRefused(f"field {name!r}: a line break or NUL cannot be sent over AMI")
        size = len(f"{name}: {value}".encode("utf-8", "surrogateescape"))
        if size > LONGEST_LINE:
            raise LineRefused(f"field {name!r}: its line has {size} bytes, AMI carries {LONGEST_LINE}")
