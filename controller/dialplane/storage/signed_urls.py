"""Addresses of objects that are good for a while and ask for nothing else. Pure.

S3 has such addresses of its own. For a folder they are ours: the object, when the address expires, and an HMAC-SHA256
over both.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

KEY_BYTES: Final = 32
EXPIRES: Final = "expires"
SIGNATURE: Final = "signature"
_DIGITS: Final = 11
"""Of a moment in seconds since 1970: more is no moment."""


def sign(key: bytes, name: str, expires_at: datetime) -> str:
    """Return the query that makes the address of an object good until then, to the second.

    Args:
        key: 32 bytes.
        name: of the object.
        expires_at: with its time zone.
    """
    expires = int(expires_at.timestamp())
    return urlencode({EXPIRES: expires, SIGNATURE: _signature(key, name, expires)})


def is_signed(key: bytes, name: str, expires: str, signature: str, now: datetime) -> bool:
    """Return whether a query was made by `sign` with this key for this object, and has not expired."""
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= _DIGITS and signature.isascii()):
        return False
    genuine = hmac.compare_digest(_signature(key, name, int(expires)), signature)
    return genuine and now < datetime.fromtimestamp(int(expires), UTC)


def expiry(now: datetime, lifetime: timedelta, step: timedelta) -> datetime:
    """Return when an address expires that lives so long at least; the same one for all that are made within a step.

    So an object has the same address for a while, and browsers need not fetch it again.
    """
    whole = int(step.total_seconds())
    begun = int(now.timestamp()) // whole * whole
    return datetime.fromtimestamp(begun, UTC) + lifetime + step


def _signature(key: bytes, name: str, expires: int) -> str:
    return hmac.new(key, f"GET\n{name}\n{expires}".encode(), hashlib.sha256).hexdigest()
