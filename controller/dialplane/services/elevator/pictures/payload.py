"""What a device puts into a message for a picture: Base64, with or without a data URL around it. Pure."""

import binascii
import re
from typing import Final

from dialplane.services.elevator.pictures.structure import PictureRefused

MOST_BYTES: Final = 256 * 1024
"""Of a picture that comes over the socket; larger ones are uploaded."""
_LONGEST: Final = MOST_BYTES * 4 // 3 + 8 * 1024
"""Characters: with breaks between the lines."""
_DATA_URL: Final = re.compile(r"data:[A-Za-z0-9.+-]{1,32}/[A-Za-z0-9.+-]{1,32}(;[^;,]{1,64})*;base64,", re.IGNORECASE)
_BREAKS: Final = str.maketrans("", "", " \t\r\n")


def decode(payload: str) -> bytes:
    """Return the bytes; takes up to 2 ms, and belongs into a thread.

    Raises:
        PictureRefused: it is no Base64, or too much of it.
    """
    prefix = _DATA_URL.match(payload[:256])
    text = payload[prefix.end() :] if prefix else payload
    if len(text) > _LONGEST:
        raise _too_large()
    text = text.translate(_BREAKS)
    text += "=" * (-len(text) % 4)  # old firmware leaves them out
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:  # UnicodeEncodeError and binascii.Error are such
        raise PictureRefused("base64", "it is no Base64") from None
    if len(data) > MOST_BYTES:
        raise _too_large()
    return data


def _too_large() -> PictureRefused:
    return PictureRefused("size", f"it has more than {MOST_BYTES:,} bytes: larger ones are uploaded")
