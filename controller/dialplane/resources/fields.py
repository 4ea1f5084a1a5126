"""The values that manifests are made of, each with its bounds: numbers, names, choices.

Hosts and networks are in `address`, times in `moment`, Secrets in `secret_ref`; this module has all their names too.
"""

from typing import Annotated, Literal

from pydantic import Field

from dialplane.resources.address import BindAddress, Cidr, Host, HostPort, HttpUrl, Networks, PeerCidr, Port
from dialplane.resources.distinct import DISTINCT, Distinct
from dialplane.resources.moment import ClockTime, ClosingTime, HolidayDate, Timestamp, TimeZone, Weekday
from dialplane.resources.secret_ref import SecretKeyRef, SecretRef, TlsSecretRef, UsernamePasswordRef
from dialplane.resources.text import Text

__all__ = [
    "DISTINCT", "OBJECT_NAME", "AbsolutePath", "BindAddress", "CallerNumber", "Cidr", "ClockTime", "ClosingTime",
    "Codec", "Codecs", "DialNumber", "DialPattern", "DialPrefix", "Did", "DisplayName", "Distinct", "DtmfMode", "Email",
    "ExtensionNumber", "FromUser", "HolidayDate", "Host", "HostPort", "HttpUrl", "Language", "MediaEncryption",
    "Networks", "ObjectName", "PeerCidr", "Permission", "Permissions", "Port", "Protocol", "SecretKeyRef", "SecretRef",
    "SipUser", "TimeZone", "Timestamp", "TlsSecretRef", "UsernamePasswordRef", "Weekday",
]  # fmt: skip

ExtensionNumber = Annotated[str, Text("an extension number: 2 to 10 digits, such as 101", r"^[0-9]{2,10}$", 10)]
"""An internal number."""

DialNumber = Annotated[
    str, Text("a number to dial: digits, * and #, with at most one + in front", r"^[+]?[0-9*#]{1,40}$", 41)
]
"""What a person could dial: digits, `*` and `#`, with at most one leading `+`."""

DialPrefix = Annotated[
    str, Text("the beginning of a number: digits, * and #, with at most one + in front", r"^[+]?[0-9*#]{0,20}$", 21)
]
"""The beginning of a number; may be empty."""

CallerNumber = Annotated[
    str, Text("a telephone number: 2 to 20 digits, with at most one + in front", r"^[+]?[0-9]{2,20}$", 21)
]
"""A number that is presented to others."""

Did = Annotated[
    str,
    Text('a number of 1 to 20 digits with at most one + in front, or "*" for the rest', r"^([+]?[0-9]{1,20}|[*])$", 21),
]
"""A number that a carrier delivers calls to; `*` stands for every number not listed."""

# A digit range that runs backwards matches nothing in Asterisk, so the good ones are spelled out.
_RANGE = "|".join(f"{low}-[{low}-9]" for low in range(9))
_ELEMENT = rf"([0-9*#+XZN]|\[([0-9*#+]|{_RANGE})+\])"
DialPattern = Annotated[
    str,
    Text(
        "a number or an Asterisk pattern: _ and then digits, X (0-9), Z (1-9), N (2-9), [2-5], and after at least one "
        "of them perhaps a final . or !",
        rf"^([+]?[0-9*#]{{1,40}}|_{_ELEMENT}{{1,40}}[.!]?)$",
        79,  # Asterisk cuts an extension at 79 characters
    ),
]
"""A number, or an Asterisk pattern: `_` and then digits, X, Z, N, `[2-5]`, at the end `.` or `!`.

Something must stand before `.` or `!`: alone they would match Asterisk's own special extensions too. `-` outside of
brackets, which Asterisk ignores, and the small letters are refused, so that there is one way to write a pattern.
"""

OBJECT_NAME = Text("a name: up to 63 small letters, digits and dashes", r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", 63)
ObjectName = Annotated[str, OBJECT_NAME]
"""The name of something, as Kubernetes writes names: small letters, digits and dashes."""

# Line breaks in Unicode's sense too; and what turns the direction of text, which would turn all that follows the name.
_CONTROL = r"\p{Cc}\x{2028}-\x{202e}\x{2066}-\x{2069}"
DisplayName = Annotated[
    str,
    Text(
        "a name of 1 to 64 characters, without line breaks or other control characters", f"^[^{_CONTROL}]{{1,64}}$", 64
    ),
]
"""The name of a person or a room, as an address book holds it."""

Email = Annotated[
    str,
    Text(
        "an e-mail address, such as ada@example.com",
        r"^[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
        254,
    ),
]
"""An e-mail address."""

SipUser = Annotated[
    str,
    Text("a SIP user name: letters, digits and . _ + * # -", r"^[A-Za-z0-9+][A-Za-z0-9._+*#-]{0,79}$", 80),
]
"""The user part of a SIP address."""

FromUser = Annotated[
    str,
    Text("a SIP user name: letters, digits and . _ + * -", r"^[A-Za-z0-9+][A-Za-z0-9._+*-]{0,79}$", 80),
]
"""The user part of From; Asterisk takes no `#` there."""

Language = Annotated[str, Text("a language, such as en or pt_BR", r"^[a-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}$", 21)]
"""A language of the installed sounds, such as `en` or `pt_BR`."""

AbsolutePath = Annotated[
    str,
    Text(
        "an absolute directory of letters, digits and . _ - whose parts do not begin with a dot",
        r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$",
        200,
    ),
]
"""A directory; no part of it begins with a dot."""

Protocol = Literal["udp", "tcp", "tls", "wss"]
MediaEncryption = Literal["none", "sdes", "dtls"]
DtmfMode = Literal["rfc4733", "inband", "info", "auto", "auto_info"]
Permission = Literal["internal", "local", "national", "international"]
Permissions = Annotated[tuple[Permission, ...], Field(max_length=4), DISTINCT]
Codec = Literal[
    "ulaw", "alaw", "g722", "opus", "g729", "gsm", "g726", "ilbc", "speex", "speex16", "siren7", "siren14",
    "lpc10", "slin", "slin16", "slin48", "h264", "vp8", "vp9",
]  # fmt: skip
Codecs = Annotated[tuple[Codec, ...], Field(min_length=1, max_length=16), DISTINCT]
