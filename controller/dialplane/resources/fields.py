"""The values that manifests are made of, each with its bounds.

Patterns hold in three places: here, in the CRDs (Go's engine) and in the reference. They use `[0-9]` and never the
shorthands that differ between engines, no look-around, and they begin with `^` and end with `$`.
"""

import ipaddress
import zoneinfo
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dialplane.resources.base import Part

ExtensionNumber = Annotated[str, Field(pattern=r"^[0-9]{2,10}$", max_length=10)]
"""An internal number."""

DialNumber = Annotated[str, Field(pattern=r"^[+]?[0-9*#]{1,40}$", max_length=41)]
"""What a person could dial: digits, `*` and `#`, with at most one leading `+`."""

DialPrefix = Annotated[str, Field(pattern=r"^([+]?[0-9*#]{0,20})$", max_length=21)]
"""The beginning of a number; may be empty."""

CallerNumber = Annotated[str, Field(pattern=r"^[+]?[0-9]{2,20}$", max_length=21)]
"""A number that is presented to others."""

Did = Annotated[str, Field(pattern=r"^([+]?[0-9]{1,20}|[*])$", max_length=21)]
"""A number that a carrier delivers calls to; `*` stands for every number not listed."""

# A digit range that runs backwards matches nothing in Asterisk, so the pattern spells the good ones out.
_RANGE = "|".join(f"{low}-[{low}-9]" for low in range(10))
_ELEMENT = rf"([0-9*#+XZN]|\[([0-9*#+]|{_RANGE})+\])"
DialPattern = Annotated[str, Field(pattern=rf"^([+]?[0-9*#]{{1,40}}|_{_ELEMENT}{{1,40}}[.!]?)$", max_length=80)]
"""A number, or an Asterisk pattern: `_` and then digits, X, Z, N, `[2-5]`, at the end `.` or `!`.

Something must stand before `.` or `!`: alone they would match Asterisk's own special extensions too. `-` outside of
brackets, which Asterisk ignores, and the small letters are refused, so that there is one way to write a pattern.
"""

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label holds a letter: otherwise 10.0.0.300 would be a host name.
_NAME = rf"({_LABEL}\.){{0,20}}[0-9]{{0,9}}[A-Za-z]([A-Za-z0-9-]{{0,50}}[A-Za-z0-9])?"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_V6 = "[0-9A-Fa-f:]{2,39}"
_PORT = "[1-9][0-9]{0,4}"


def _ip(text: str) -> str:
    if ":" in text:
        try:
            ipaddress.IPv6Address(text)
        except ValueError as error:
            raise PydanticCustomError(
                "dialplane_value", "{message}", {"message": f"{text!r} is no IPv6 address"}
            ) from error
    return text


def _host_port(text: str) -> str:
    host, _, port = text.rpartition("]")[2].rpartition(":")
    if text.startswith("["):
        _ip(text[1 : text.index("]")])
        host = text
    if host and port and int(port) > 65_535:  # noqa: PLR2004 -- the largest port
        raise PydanticCustomError("dialplane_value", "{message}", {"message": f"port {port} is above 65535"})
    return text


Host = Annotated[str, Field(pattern=rf"^({_V4}|{_V6}|{_NAME})$", max_length=253), AfterValidator(_ip)]
"""A host name or an IPv4 or IPv6 address (the latter without brackets)."""

HostPort = Annotated[
    str, Field(pattern=rf"^({_V4}|\[{_V6}\]|{_NAME})(:{_PORT})?$", max_length=262), AfterValidator(_host_port)
]
"""A host, and a port after a colon; an IPv6 address stands in brackets."""

BindAddress = Annotated[
    str, Field(pattern=rf"^({_V4}|\[{_V6}\])(:{_PORT})?$", max_length=48), AfterValidator(_host_port)
]
"""An address to listen at, and a port after a colon; an IPv6 address stands in brackets."""

Port = Annotated[int, Field(ge=1, le=65_535)]
"""A TCP or UDP port."""


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise PydanticCustomError("dialplane_value", "{message}", {"message": _network_cure(text)}) from error
    return text


def _network_cure(text: str) -> str:
    try:
        return f"{text!r} has bits beyond its prefix; did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        return f"{text!r} is no network; write one like 192.0.2.0/24, 2001:db8::/32 or a single address"


Cidr = Annotated[
    str,
    Field(pattern=rf"^({_V4}(/(3[0-2]|[12]?[0-9]))?|{_V6}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$", max_length=43),
    AfterValidator(_network),
]
"""A network such as 192.0.2.0/24, or one address."""

PeerCidr = Annotated[
    str,
    Field(
        pattern=rf"^({_V4}(/(3[0-2]|[12][0-9]|[89]))?|{_V6}(/(12[0-8]|1[01][0-9]|[2-9][0-9]|1[6-9]))?)$", max_length=43
    ),
    AfterValidator(_network),
]
"""A network that identifies a peer: at least /8 (IPv4) or /16 (IPv6), since who is in it may call without a password."""

ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]
"""The name of something, as Kubernetes writes names: small letters, digits and dashes."""

SecretName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", max_length=253)
]
"""The name of a Secret."""

SecretKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=253)]
"""A key in a Secret."""

DisplayName = Annotated[
    str,
    Field(
        pattern=r"^[\p{L}\p{N}(]([\p{L}\p{M}\p{N} .'’()/_+@#&:!-]{0,62}[\p{L}\p{M}\p{N}.)!])?$",
        max_length=64,
    ),
]
"""A person's or a room's name: letters of any language, digits, spaces and simple punctuation.

What is missing here (quotes, angle brackets, commas, semicolons, backslashes, `|`, `$`, braces) ends or splits a value in
pjsip.conf, voicemail.conf or a SIP header.
"""

Email = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
        max_length=254,
    ),
]
"""An e-mail address."""

SipUser = Annotated[str, Field(pattern=r"^[A-Za-z0-9+][A-Za-z0-9._+*#-]{0,79}$", max_length=80)]
"""The user part of a SIP address."""

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}$", max_length=21)]
"""A language of the installed sounds, such as `en` or `pt_BR`."""

AbsolutePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", max_length=200)]
"""A directory; no part of it begins with a dot."""

HttpUrl = Annotated[
    str,
    Field(
        pattern=rf"^https?://({_V4}|\[{_V6}\]|{_NAME})(:{_PORT})?(/[A-Za-z0-9._~-]+)*$",
        max_length=512,
    ),
]
"""An http or https address without credentials, query or trailing slash."""


@cache
def time_zones() -> frozenset[str]:
    """Every time zone's name, from the tz database that Python finds."""
    return frozenset(zoneinfo.available_timezones())


def _time_zone(text: str) -> str:
    if text not in time_zones():
        near = get_close_matches(text, sorted(time_zones()), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else "; write one like Europe/Berlin"
        raise PydanticCustomError("dialplane_value", "{message}", {"message": f"{text!r} is no time zone{hint}"})
    return text


TimeZone = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", max_length=64), AfterValidator(_time_zone)
]
"""A name of the tz database, such as `Europe/Berlin`."""

ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
"""A time of day, `HH:MM`, 00:00 to 23:59."""

ClosingTime = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", max_length=5)]
"""A time of day at which something ends, `HH:MM`; `24:00` is midnight at the day's end."""


def _calendar_day(text: str) -> str:
    leap_year = "2024-"  # has every day that a yearly date can name
    try:
        date.fromisoformat(text if text.count("-") > 1 else leap_year + text)
    except ValueError as error:
        raise PydanticCustomError(
            "dialplane_value", "{message}", {"message": f"{text!r} is no day of the calendar"}
        ) from error
    return text


HolidayDate = Annotated[
    str,
    Field(pattern=r"^(20[0-9][0-9]-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", max_length=10),
    AfterValidator(_calendar_day),
]
"""One day (`2026-04-03`), or the same day every year (`12-25`)."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Protocol = Literal["udp", "tcp", "tls", "wss"]
MediaEncryption = Literal["none", "sdes", "dtls"]
Permission = Literal["internal", "local", "national", "international"]
DtmfMode = Literal["rfc4733", "inband", "info", "auto", "auto_info"]
Codec = Literal[
    "ulaw", "alaw", "g722", "opus", "g729", "gsm", "g726", "ilbc", "speex", "speex16", "siren7", "siren14",
    "lpc10", "slin", "slin16", "slin48", "h264", "vp8", "vp9",
]  # fmt: skip
Codecs = Annotated[tuple[Codec, ...], Field(min_length=1, max_length=16)]


@dataclass(frozen=True, slots=True)
class Distinct:
    """Marks a list whose items differ: a Kubernetes `set`, or a `map` by the fields in `keys`.

    Kubernetes refuses duplicates by its list types, at no CEL cost, and merges such lists item by item in server-side
    apply.
    """

    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the list once its items are valid."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say the list type."""
        said = handler(schema)
        said["x-kubernetes-list-type"] = "map" if self.keys else "set"
        if self.keys:
            said["x-kubernetes-list-map-keys"] = list(self.keys)
        return said

    def _check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[Hashable] = set()
        for index, item in enumerate(items):
            value = tuple(getattr(item, key) for key in self.keys) if self.keys else item
            if value in seen:
                shown = " ".join(str(part) for part in value) if self.keys else value
                raise PydanticCustomError(
                    "dialplane_duplicate", "{message}", {"message": f"{shown!r} is there twice", "index": index}
                )
            seen.add(value)
        return items


DISTINCT: Final = Distinct()
Permissions = Annotated[tuple[Permission, ...], Field(max_length=4), DISTINCT]
Networks = Annotated[tuple[Cidr, ...], Field(max_length=64), DISTINCT]


class UsernamePasswordRef(Part):
    """A Secret of the same namespace with the keys `username` and `password`."""

    name: SecretName
    """The Secret's name."""


class TlsSecretRef(Part):
    """A Secret of type `kubernetes.io/tls`: the keys `tls.crt` (certificate and chain) and `tls.key`, both PEM."""

    name: SecretName
    """The Secret's name."""


class SecretKeyRef(Part):
    """One value of a Secret of the same namespace."""

    name: SecretName
    """The Secret's name."""
    key: SecretKey
    """The key whose value is read."""
