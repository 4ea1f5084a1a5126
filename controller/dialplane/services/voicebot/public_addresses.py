"""Connections that a manifest asks for: without its permission to none of the site's own networks.

A name is looked up once, and what was checked is what is connected to: a name that leads elsewhere a moment later leads
nowhere. No permission opens the way to the machine's own link and to what a cloud says of the machine there: its keys.
"""

import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from dialplane.resources.public_address import is_permitted


class PrivateAddressRefused(OSError):
    """An address is not public and the manifest has no permission for others, or it is one that nobody may ask."""


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
