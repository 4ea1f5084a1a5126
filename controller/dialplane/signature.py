"""Proofs of requests to programs of others: who has the same secret can tell that a request is ours, and fresh."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr


def signed(body: bytes, secret: SecretStr | None, now: datetime) -> Mapping[str, str]:
    """Return the headers that prove a body: HMAC-SHA256 of seconds since 1970, a dot and the body; none without."""
    if secret is None:
        return {}
    stamp = str(int(now.timestamp()))
    key = secret.get_secret_value().encode("utf-8", "surrogateescape")
    proof = hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": stamp, "X-Signature": f"sha256={proof}"}
