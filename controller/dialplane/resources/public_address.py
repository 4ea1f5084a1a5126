"""Which addresses are those of the Internet, which may be of a site's own network, and which nobody may ask."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""IPv4 behind a translator (RFC 6052, RFC 8215), or in a tunnel: the last four bytes are the address."""
_LOOPBACK: Final = IPv6Address("::1")
_NEVER: Final = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "ff00::/8"),
            *("169.254.0.0/16", "fe80::/10"),  # the link; most clouds' metadata
            *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::/64"),  # others'
        ),
    )
)


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the Internet."""
    found = _inner(address)
    return found.is_global and not _is_forbidden(found)


def is_permitted(address: str, *, allow_private: bool) -> bool:
    """Return whether an IP address may be connected to."""
    return not _is_forbidden(_inner(address)) if allow_private else is_public(address)


def _inner(address: str) -> IPv4Address | IPv6Address:
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address) or found == _LOOPBACK:
        return found
    if any(found in network for network in _TRANSLATED):
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found


def _is_forbidden(found: IPv4Address | IPv6Address) -> bool:
    return any(found in network for network in _NEVER)


def may_be_asked(url: str, *, allow_private: bool) -> bool:
    """Return whether the host of a URL may be connected to, as far as a manifest tells: a name may lead anywhere."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return allow_private
    try:
        return is_permitted(host, allow_private=allow_private)
    except ValueError:  # a name, which is looked up when it is connected to
        return True
