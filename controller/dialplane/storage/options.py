"""Where objects are stored, as the command line says it. Imports nothing that takes long."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dialplane.storage.errors import StorageUnusable

BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
CURE: Final = "it is file:///a/folder or s3://bucket/prefix"


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """Where objects are stored, and how others reach them."""

    url: str = ""
    """`file:///a/folder`, or `s3://bucket/prefix`, whose credentials are in the environment; empty: nowhere."""
    spool: Path = Path()
    """A folder of this machine for what waits to be stored."""
    public_url: str = ""
    """Where devices and people reach the HTTP API, without a slash at the end; empty: addresses begin with `/`."""


NO_STORAGE: Final = StorageOptions()
"""Nothing can be stored."""


def check_storage_url(url: str) -> None:
    """Refuse a URL that `ObjectStorage.open` could not use.

    Raises:
        StorageUnusable: it is none; what it says is repeated only where no credentials can be in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise StorageUnusable(f"the storage's URL cannot be read: {CURE}") from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise StorageUnusable(f"the storage's URL holds more than a place: {CURE}; credentials are AWS_ACCESS_KEY_ID …")
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise StorageUnusable(f"{url}: a folder needs three slashes: file:///a/folder")
        return
    if parts.scheme != "s3":
        raise StorageUnusable(f"the storage's URL has the scheme {parts.scheme or '(none)'}: {CURE}")
    if port is not None or not BUCKET.fullmatch(parts.netloc):
        raise StorageUnusable(f"{url}: {parts.netloc!r} is no bucket; an address of its own is AWS_ENDPOINT_URL")
    if not all(SEGMENT.fullmatch(each) for each in parts.path.strip("/").split("/") if parts.path.strip("/")):
        raise StorageUnusable(f"{url}: a prefix has letters, digits and . _ - between its slashes")


def check_public_url(url: str) -> str:
    """Return the URL without a slash at its end.

    Raises:
        StorageUnusable: it is no HTTP URL, or holds more than a place.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or not url.isascii() or not url.isprintable():
        raise StorageUnusable("the public URL is that of the HTTP API, such as https://lifts.example.com")
    return url.rstrip("/")
