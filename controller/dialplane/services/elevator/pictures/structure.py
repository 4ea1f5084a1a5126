"""Where a JPEG or PNG begins and ends, and how large it is: read from its bytes, before anything decodes it. Pure.

Pillow's own checks come later: it would read on behind the end of a picture, and look through every scan of one that
has a thousand.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final, Literal

MOST_PARTS: Final = 10_000
"""Segments of a JPEG, chunks of a PNG."""
MOST_SCANS: Final = 20
"""Of a progressive JPEG; cameras make ten. Each costs a decoder the whole picture once more."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
_CHUNK: Final = struct.Struct(">I4s")
_SIZE: Final = struct.Struct(">II")
_FRAME: Final = struct.Struct(">HH")
_LENGTH: Final = struct.Struct(">H")
_MARKER: Final = re.compile(rb"\xff{1,64}+([^\x00\xff])", re.DOTALL)
_MARKER_AFTER_SCAN: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""In the data of a scan a byte FF is followed by 00, or begins a restart marker."""
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN: Final = 0xDA
_END: Final = 0xD9
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""


class PictureRefused(ValueError):
    """What came is no picture that is kept; the message says why, and the reason is a word for metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Structure:
    """What the bytes say."""

    format: Literal["JPEG", "PNG"]
    width: int
    height: int
    """Pixels."""
    end: int
    """Bytes up to the picture's own end."""


def structure(data: bytes) -> Structure:
    """Return where a picture ends and how large it is.

    Raises:
        PictureRefused: it is neither, or not whole, or has more parts than a camera makes.
    """
    if data.startswith(PNG_SIGNATURE):
        return _png(data)
    if data.startswith(JPEG_SIGNATURE):
        return _jpeg(data)
    raise PictureRefused("format", "it is neither JPEG nor PNG")


def _png(data: bytes) -> Structure:
    at, size = len(PNG_SIGNATURE), (0, 0)
    for place in range(MOST_PARTS):
        if at + _CHUNK.size > len(data):
            break
        length, kind = _CHUNK.unpack_from(data, at)
        start, at = at + _CHUNK.size, at + length + 12
        if at > len(data):
            break
        if place == 0:
            if kind != b"IHDR" or length < _SIZE.size:
                raise PictureRefused("damaged", "the PNG does not begin with its size")
            size = _SIZE.unpack_from(data, start)
        if kind == b"IEND":
            return Structure("PNG", size[0], size[1], at)
    else:
        raise PictureRefused("parts", f"the PNG has more than {MOST_PARTS:,} chunks")
    raise PictureRefused("incomplete", "the PNG ends too early")


def _jpeg(data: bytes) -> Structure:
    at, size, scans = 2, None, 0
    for _ in range(MOST_PARTS):
        found = _MARKER_AFTER_SCAN.search(data, at) if scans else _MARKER.match(data, at)
        if found is None:
            break
        marker, at = found[1][0], found.end()
        if marker == _END:
            if size is None or not scans:
                raise PictureRefused("damaged", "the JPEG has no picture in it")
            return Structure("JPEG", size[1], size[0], at)
        if marker in _BARE:
            continue
        if at + _LENGTH.size > len(data):
            break
        (length,) = _LENGTH.unpack_from(data, at)
        if marker in _START_OF_FRAME and at + 7 <= len(data):
            size = _FRAME.unpack_from(data, at + 3)
        scans += marker == _START_OF_SCAN
        if scans > MOST_SCANS:
            raise PictureRefused("scans", f"the JPEG has more than {MOST_SCANS} scans")
        at += length
    else:
        raise PictureRefused("parts", f"the JPEG has more than {MOST_PARTS:,} segments")
    raise PictureRefused("incomplete", "the JPEG ends too early")
