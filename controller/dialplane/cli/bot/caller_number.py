"""The number of a caller, as people type it."""

import re
from typing import Final

from dialplane.cli.errors import Unusable

_READABLE: Final = re.compile(r"[\s().\u2010-\u2015/-]")
_NUMBER: Final = re.compile(r"[+]?[0-9]{2,20}\Z")


def plain_number(given: str) -> str:
    """Return a number without what only makes it readable.

    Raises:
        Unusable: it is none.
    """
    plain = _READABLE.sub("", given)
    if not _NUMBER.match(plain):
        raise Unusable(f"{given!r} is not a telephone number: 2 to 20 digits, with at most one + in front")
    return plain
