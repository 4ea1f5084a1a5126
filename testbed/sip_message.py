"""SIP messages as data: read, write, and look inside. No socket, no clock.

Only what a peer of a test needs of RFC 3261: UDP, one message to a datagram, no line folding. The peers
are written apart from Asterisk's stack on purpose, so that both sides of a test do not share one mistake.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

_COMPACT = {
    "i": "call-id",
    "m": "contact",
    "f": "from",
    "t": "to",
    "v": "via",
    "c": "content-type",
    "l": "content-length",
}
_REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 407: "Proxy Authentication Required", 408: "Request Timeout",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 500: "Server Internal Error",
    501: "Not Implemented", 503: "Service Unavailable", 603: "Decline",
}  # fmt: skip
BRANCH_COOKIE = "z9hG4bK"
_SEPARATOR = b"\r\n\r\n"


class SipSyntaxError(ValueError):
    """The datagram is no SIP message."""


@dataclass
class SipMessage:
    """A request (``method`` set) or a response (``status`` set); headers in order, names lower-case."""

    method: str = ""
    uri: str = ""
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, datagram: bytes) -> "SipMessage":
        """Read one datagram.

        Raises:
            SipSyntaxError: it is no SIP message.
        """
        head, _, body = datagram.partition(_SEPARATOR)
        first, *lines = head.decode("utf-8", "replace").split("\r\n")
        message = cls(body=body.decode("utf-8", "replace"))
        if match := re.fullmatch(r"SIP/2\.0 ([1-6]\d\d) .*", first):
            message.status = int(match[1])
        elif match := re.fullmatch(r"([A-Z]+) (\S+) SIP/2\.0", first):
            message.method, message.uri = match[1], match[2]
        else:
            raise SipSyntaxError(first[:80])
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise SipSyntaxError(line[:80])
            name = name.strip().lower()
            message.headers.append((_COMPACT.get(name, name), value.strip()))
        return message

    def encode(self) -> bytes:
        """The datagram; the content length is always right."""
        body = self.body.encode()
        first = (
            f"{self.method} {self.uri} SIP/2.0"
            if self.method
            else f"SIP/2.0 {self.status} {_REASONS.get(self.status, 'Unknown')}"
        )
        headers = [(name, value) for name, value in self.headers if name != "content-length"]
        lines = [
            first,
            *(f"{_spelled(name)}: {value}" for name, value in headers),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + _SEPARATOR + body

    def get(self, name: str, default: str = "") -> str:
        """The first header ``name`` (lower-case)."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every header ``name``, in order."""
        return [value for key, value in self.headers if key == name]

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.get("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        """Sequence number and method of the CSeq header."""
        number, _, method = self.get("cseq", "0 ").partition(" ")
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        """The topmost Via's branch: the transaction (RFC 3261, 17.1.3)."""
        return parameter(self.get("via"), "branch")

    def reply(
        self, status: int, *, tag: str = "", extra: Iterable[tuple[str, str]] = (), body: str = ""
    ) -> "SipMessage":
        """A response with the headers that it must copy (RFC 3261, 8.2.6)."""
        copied = [(n, v) for n, v in self.headers if n in {"via", "from", "call-id", "cseq", "record-route"}]
        to = self.get("to")
        if tag and not parameter(to, "tag"):
            to += f";tag={tag}"
        return SipMessage(status=status, headers=[*copied, ("to", to), *extra], body=body)


def parameter(value: str, name: str) -> str:
    """A parameter behind ``;`` outside of the URI's angle brackets, or empty."""
    outside = re.sub(r"<[^>]*>", "", value)
    match = re.search(rf";\s*{re.escape(name)}\s*=\s*\"?([^;,\"\s]+)", outside)
    return match[1] if match else ""


def uri_of(value: str) -> str:
    """The URI of a From, To or Contact value."""
    match = re.search(r"<([^>]+)>", value)
    return match[1] if match else value.split(";", 1)[0].strip()


def user_of(value: str) -> str:
    """The user part of a URI or of a header with one; empty if there is none."""
    match = re.match(r"sips?:([^@;]+)@", uri_of(value))
    return match[1] if match else ""


def address_of(uri: str) -> tuple[str, int]:
    """Host and port of a URI with a numeric host."""
    match = re.match(r"sips?:(?:[^@]*@)?([0-9.]+)(?::(\d+))?", uri_of(uri))
    if match is None:
        raise SipSyntaxError(uri)
    return match[1], int(match[2] or 5060)


def new_tag() -> str:
    """A tag, branch or Call-ID of enough chance."""
    return secrets.token_hex(8)


def sdp(host: str, port: int) -> str:
    """An offer or answer of µ-law audio and DTMF events, 20 ms a packet (RFC 8866, RFC 3551)."""
    lines = [
        "v=0", f"o=- {port} 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0",
        f"m=audio {port} RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16", "a=ptime:20", "a=sendrecv",
    ]  # fmt: skip
    return "\r\n".join([*lines, ""])


def media_address(description: str) -> tuple[str, int] | None:
    """Where the other side wants its audio; None when there is none or it is refused (port 0)."""
    audio = re.search(r"^m=audio (\d+) (.*?)(?=^m=|\Z)", description, re.MULTILINE | re.DOTALL)
    if audio is None or audio[1] == "0":
        return None
    connection = re.search(r"^c=IN IP4 (\S+)", audio[2], re.MULTILINE) or re.search(
        r"^c=IN IP4 (\S+)", description, re.MULTILINE
    )
    return (connection[1], int(audio[1])) if connection else None


def _spelled(name: str) -> str:
    special = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate"}
    return special.get(name) or "-".join(part.capitalize() for part in name.split("-"))
