"""Pictures as cameras make them, and as nobody's camera does."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def photograph(width: int = 64, height: int = 48, form: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose content does not compress to nothing."""
    image = Image.effect_noise((width, height), 60).convert(mode)
    made = BytesIO()
    image.save(made, form, **options)
    return made.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, rows: bytes | None = None) -> bytes:
    """A grey PNG of that size, with other chunks before its picture."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    packed = zlib.compress(b"\0" * (height * (width + 1)) if rows is None else rows, 9)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def with_scans(number: int) -> bytes:
    """A progressive JPEG of so many scans, the last of which are the same again and again."""
    one = photograph(32, 32, progressive=True)
    last = one.rindex(b"\xff\xda")
    return one[:last] + one[last:-2] * (number - one.count(b"\xff\xda") + 1) + one[-2:]
