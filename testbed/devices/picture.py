"""What the camera of a simulated device shows: a small grey picture."""

import base64
import struct
import zlib
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_GREY: Final = 0


def picture(width: int = 64, height: int = 48) -> str:
    """Return a PNG that goes from black to white, in Base64."""
    row = b"\0" + bytes(255 * column // max(width - 1, 1) for column in range(width))
    head = struct.pack("!IIBBBBB", width, height, 8, _GREY, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(row * height)), _chunk(b"IEND", b""))
    return base64.b64encode(_SIGNATURE + b"".join(parts)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
