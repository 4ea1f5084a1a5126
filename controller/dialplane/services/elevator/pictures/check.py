"""Whether bytes are a picture that may be kept: JPEG or PNG, of a bounded size, and whole. Blocks; for a thread."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final, Literal

from PIL import Image

from dialplane.services.elevator.pictures.structure import PictureRefused, Structure, structure

MOST_BYTES: Final = 5 * 1024 * 1024
MOST_PIXELS: Final = 24_000_000
"""A picture decoded takes four bytes for each at most."""
_SMALLER: Final = 8
"""A JPEG is decoded at an eighth of its size, which costs a fraction and reads all of it."""

MediaType = Literal["image/jpeg", "image/png"]
SUFFIXES: Final[dict[str, MediaType]] = {"jpg": "image/jpeg", "png": "image/png"}


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture that was decoded."""

    data: bytes
    """Without what came behind its end: that is no picture, and may be a program."""
    suffix: Literal["jpg", "png"]

    @property
    def media_type(self) -> MediaType:
        """What it is served as, whatever the device called it."""
        return SUFFIXES[self.suffix]


def check(data: bytes) -> CheckedPicture:
    """Return the picture.

    Raises:
        PictureRefused: it is none that is kept.
    """
    if len(data) > MOST_BYTES:
        raise PictureRefused("size", f"it has more than {MOST_BYTES:,} bytes")
    parts = structure(data)
    if not 0 < parts.width * parts.height <= MOST_PIXELS:
        raise PictureRefused("pixels", f"it has {parts.width:,} x {parts.height:,} pixels; {MOST_PIXELS:,} are allowed")
    data = data[: parts.end]
    try:
        size = _decode(data, parts)
    except Exception:  # noqa: BLE001 -- a decoder that is fed hostile bytes may raise anything
        raise PictureRefused("damaged", "it cannot be decoded") from None
    if size != (parts.width, parts.height):
        raise PictureRefused("damaged", "it says two sizes")
    return CheckedPicture(data, "jpg" if parts.format == "JPEG" else "png")


def _decode(data: bytes, parts: Structure) -> tuple[int, int]:
    with Image.open(BytesIO(data), formats=(parts.format,)) as image:
        size = image.size
        if parts.format == "JPEG":
            image.draft(None, (max(1, parts.width // _SMALLER), max(1, parts.height // _SMALLER)))
        image.load()
        return size
