"""Connections that a manifest asks for: without its permission to none of the site's own networks.

A name is looked up once, and what was checked is what is connected to: a name that leads elsewhere a moment later leads
nowhere. No permission opens the way to the machine's own link and to what a cloud says of the machine there: its keys.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

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


class PrivateAddressRefused(OSError):
    """An address is not public and the manifest has no permission for others, or it is one that nobody may ask."""


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


def connector(url: str, *, allow_private: bool) -> aiohttp.TCPConnector:
    """Return what connects to the host of `url`; with `allow_private` also where it is in the site's own networks.

    Raises:
        PrivateAddressRefused: it is an IP address that may not be asked. A name is looked up when it connects, which
            then fails with an `aiohttp.ClientConnectorDNSError` that this error caused.
    """
    host = urlsplit(url).hostname or ""
    try:
        permitted = is_permitted(host, allow_private=allow_private)
    except ValueError:  # a name
        return aiohttp.TCPConnector(resolver=_Resolver(allow_private=allow_private), use_dns_cache=False)
    if not permitted:
        raise _refused(host, allow_private=allow_private)
    return aiohttp.TCPConnector()


class _Resolver(AbstractResolver):
    """Looks names up, and drops all addresses that may not be asked."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver.resolve`."""
        found = await self._resolver.resolve(host, port, family)
        permitted = [each for each in found if is_permitted(each["host"], allow_private=self._allow_private)]
        if not permitted:
            raise _refused(host, allow_private=self._allow_private)
        return permitted

    async def close(self) -> None:
        """See `AbstractResolver.close`."""
        await self._resolver.close()


def _refused(host: str, *, allow_private: bool) -> PrivateAddressRefused:
    if allow_private:
        return PrivateAddressRefused(
            f"{host} leads to the machine's own link or its cloud's metadata: nobody may ask it"
        )
    return PrivateAddressRefused(f"{host} is no public address: allowPrivateAddress permits it")
