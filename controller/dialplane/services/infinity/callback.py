"""Whose callback it is: what proves that a request comes from a tenant's platform.

Pure: headers, bytes and the time in, tenants or a refusal out. `call_record` reads what the body says.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from dialplane.resources.infinity_tenant import Callback
from dialplane.services.infinity.tenant import Tenant

TIMESTAMP: Final = "X-Timestamp"
SIGNATURE: Final = "X-Signature"
SECRET: Final = "X-Callback-Secret"  # noqa: S105 -- the name of a header

FRESH_SECONDS: Final = 300
"""How far a signature's time may be from now: older ones may be somebody's recording."""
SECRET_SHORTEST: Final = 16
"""Characters of a secret; one that is shorter could be guessed and proves nothing."""


class CallbackRefused(Exception):
    """The request proves nothing, or not enough; the text is for whoever sent it."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class NothingProven(CallbackRefused):
    """No tenant's secret is proven: whoever sends many of these is guessing."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A tenant that takes callbacks."""

    tenant: Tenant
    callback: Callback
    secret: bytes


def heard(tenants: Iterable[Tenant], address: str | None) -> bool:
    """Whether any tenant takes callbacks from this address: of a request from elsewhere nothing need be read."""
    return any(_is_from(asked.callback, address) for asked in _asked(tenants))


def proven(
    tenants: Iterable[Tenant], headers: Mapping[str, str], body: bytes, address: str | None, now: datetime
) -> tuple[Tenant, ...]:
    """The tenants whose secret the request proves to know, from where they allow it; several may share one.

    Every tenant's secret is tried, each in constant time.

    Args:
        tenants: those of the site.
        headers: of the request; looked up whatever their case.
        body: as it came.
        address: where it came from; None where nobody knows.
        now: the time.

    Raises:
        CallbackRefused: 401 where it proves no secret or is too old, 403 where it comes from the wrong network.
    """
    age = abs(now.timestamp() - float(stamp)) if (stamp := _stamp(headers)) else None
    known = [asked for asked in list(_asked(tenants)) if _knows(asked, headers, body)]
    if not known:
        raise NothingProven(HTTPStatus.UNAUTHORIZED, "no tenant's callback secret is proven")
    fresh = [
        asked
        for asked in known
        if asked.callback.authentication == "SharedSecret" or (age is not None and age <= FRESH_SECONDS)
    ]
    if not fresh:
        raise CallbackRefused(
            HTTPStatus.UNAUTHORIZED,
            f"{TIMESTAMP} is more than {FRESH_SECONDS} s from now: sign it anew, check the clock",
        )
    allowed = tuple(asked.tenant for asked in fresh if _is_from(asked.callback, address))
    if not allowed:
        raise CallbackRefused(HTTPStatus.FORBIDDEN, "callbacks of this tenant come from other networks")
    return allowed


def _asked(tenants: Iterable[Tenant]) -> Iterator[_Asked]:
    for tenant in tenants:
        secret = tenant.callback_secret.get_secret_value() if tenant.callback_secret else ""
        if tenant.spec.callback is not None and len(secret) >= SECRET_SHORTEST:
            yield _Asked(tenant, tenant.spec.callback, secret.encode("utf-8", "surrogateescape"))


def _stamp(headers: Mapping[str, str]) -> str | None:
    stamp = headers.get(TIMESTAMP, "")
    return stamp if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 else None  # noqa: PLR2004 -- a year 33,658


def _knows(asked: _Asked, headers: Mapping[str, str], body: bytes) -> bool:
    if asked.callback.authentication == "SharedSecret":
        return hmac.compare_digest(asked.secret, _wire(headers.get(SECRET, "")))
    signed = f"{_stamp(headers) or ''}.".encode() + body
    expected = "sha256=" + hmac.new(asked.secret, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), _wire(headers.get(SIGNATURE, "").lower()))


def _wire(value: str) -> bytes:
    """The bytes of a header, which arrive decoded as Latin-1."""
    return value.encode("latin-1", "replace")


def _is_from(callback: Callback, address: str | None) -> bool:
    if not callback.allowed_networks:
        return True
    found = _address(address)
    return found is not None and any(found in _network(allowed) for allowed in callback.allowed_networks)


@lru_cache(maxsize=4096)
def _network(text: str) -> IPv4Network | IPv6Network:
    """Read once: strangers ask for it, and reading takes a hundred times as long as comparing."""
    return ip_network(text, strict=False)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text or "")
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
