"""Short names of content: the same content, the same name, on every machine."""

import json
from hashlib import blake2b
from typing import Any

from pydantic import SecretStr


def digest(*parts: Any, pepper: bytes = b"", size: int = 6) -> str:
    """`2 * size` hex digits that name `parts` (nested tuples of text, numbers and secrets).

    Args:
        parts: what to name.
        pepper: a key (at most 64 bytes) to give where secrets are among the parts, so that the name cannot be used
            to test guesses.
        size: bytes of the name.
    """
    text = json.dumps(parts, default=_plain, separators=(",", ":"))
    return blake2b(text.encode("utf-8", "surrogateescape"), key=pepper, digest_size=size).hexdigest()


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
