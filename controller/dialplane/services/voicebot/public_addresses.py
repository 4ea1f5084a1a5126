"""Connections that a manifest asks for: without its permission to none of the site's own networks.

A name is looked up once, and what was checked is what is connected to: a name that leads elsewhere a moment later leads
nowhere.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""IPv4 behind a translator (RFC 6052): the last four bytes are the address."""


class PrivateAddressRefused(OSError):
    """An address is not public, and the manifest has no permission for others."""


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the Internet."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _TRANSLATED:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast


def connector(url: str, *, allow_private: bool) -> aiohttp.TCPConnector:
    """Return what connects to the host of `url`; with `allow_private` wherever it is.

    Raises:
        PrivateAddressRefused: it is an IP address that is not public. A name is looked up when it connects, which then
            fails with an `aiohttp.ClientConnectorDNSError` that this error caused.
    """
    if allow_private:
        return aiohttp.TCPConnector()
    host = urlsplit(url).hostname or ""
    try:
        public = is_public(host)
    except ValueError:  # a name
        return aiohttp.TCPConnector(resolver=_PublicResolver(), use_dns_cache=False)
    if not public:
        raise _refused(host)
    return aiohttp.TCPConnector()


class _PublicResolver(AbstractResolver):
    """Looks names up, and drops all addresses that are not public."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver.resolve`."""
        found = await self._resolver.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise _refused(host)
        return public

    async def close(self) -> None:
        """See `AbstractResolver.close`."""
        await self._resolver.close()


def _refused(host: str) -> PrivateAddressRefused:
    return PrivateAddressRefused(f"{host} is no public address: allowPrivateAddress permits it")
