"""Hosts, ports and networks."""

import ipaddress
from typing import Annotated

from pydantic import Field

from dialplane.resources.distinct import DISTINCT
from dialplane.resources.text import NotThisError, Text

MAX_PORT = 65_535

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The last label holds a letter: otherwise 10.0.0.300 would be a host name. The star is not a count, because Go refuses
# counts within counts whose product is above 1,000.
NAME = rf"({_LABEL}\.)*[0-9]{{0,9}}[A-Za-z]([A-Za-z0-9-]{{0,50}}[A-Za-z0-9])?"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
V4 = rf"({_OCTET}\.){{3}}{_OCTET}"
V6 = "([0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}"
"""Nearly IPv6: Python looks again."""
PORT = "[1-9][0-9]{0,4}"


def _v6(text: str) -> None:
    try:
        ipaddress.IPv6Address(text)
    except ValueError as error:
        raise NotThisError("an IPv6 address") from error


def _host(text: str) -> None:
    if ":" in text:
        _v6(text)


def _host_port(text: str) -> None:
    host, bracket, rest = text.rpartition("]")
    if bracket:
        _v6(host[1:])
    port = rest.partition(":")[2]
    if port and int(port) > MAX_PORT:
        raise NotThisError(f"an address with a port of 1 to {MAX_PORT}")


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise NotThisError(_network_cure(text)) from error


def _network_cure(text: str) -> str:
    try:
        return f"a network: it has bits beyond its prefix; did you mean {ipaddress.ip_network(text, strict=False)}?"
    except ValueError:
        return "a network; write one like 192.0.2.0/24, 2001:db8::/32, or a single address"


Port = Annotated[int, Field(ge=1, le=MAX_PORT)]
"""A TCP or UDP port."""

Host = Annotated[
    str,
    Text("a host name or an IP address (without port or brackets)", rf"^({V4}|{V6}|{NAME})$", 253, _host),
]
"""A host name or an IPv4 or IPv6 address (the latter without brackets)."""

HostPort = Annotated[
    str,
    Text(
        "a host[:port], such as proxy.example.com:5060 or [2001:db8::1]:5060",
        rf"^({V4}|\[{V6}\]|{NAME})(:{PORT})?$",
        262,
        _host_port,
    ),
]
"""A host, and a port after a colon; an IPv6 address stands in brackets."""

BindAddress = Annotated[
    str,
    Text("an address[:port] to listen at, such as 0.0.0.0:5060", rf"^({V4}|\[{V6}\])(:{PORT})?$", 48, _host_port),
]
"""An address to listen at, and a port after a colon; an IPv6 address stands in brackets."""

Cidr = Annotated[
    str,
    Text(
        "a network, such as 192.0.2.0/24, or a single IP address",
        rf"^({V4}(/(3[0-2]|[12]?[0-9]))?|{V6}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$",
        43,
        _network,
    ),
]
"""A network such as 192.0.2.0/24, or one address."""

PeerCidr = Annotated[
    str,
    Text(
        "a network of at least /8 (IPv6: /16), such as 192.0.2.0/24, or a single IP address: whoever is in it calls "
        "without a password",
        rf"^({V4}(/(3[0-2]|[12][0-9]|[89]))?|{V6}(/(12[0-8]|1[01][0-9]|[2-9][0-9]|1[6-9]))?)$",
        43,
        _network,
    ),
]
"""A network that identifies a peer: at least /8 (IPv4) or /16 (IPv6)."""

Networks = Annotated[tuple[Cidr, ...], Field(max_length=64), DISTINCT]

HttpUrl = Annotated[
    str,
    Text(
        "an http(s) address without credentials, query and trailing slash, such as http://127.0.0.1:8088",
        rf"^https?://({V4}|\[{V6}\]|{NAME})(:{PORT})?(/[A-Za-z0-9._~-]+)*$",
        512,
    ),
]
"""An http or https address without credentials, query or trailing slash."""
