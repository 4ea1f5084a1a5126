"""The variables of one call: set by answers, manifests and programs, shown in texts as `{name}`. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

CALLER: Final = "caller"
"""The number that calls: always there, and never set."""
MOST: Final = 64
"""Variables of a call."""
LONGEST: Final = 500
"""Characters of a value; what is longer is cut."""
LONGEST_TEXT: Final = 2000
"""Characters of a text whose variables are filled in."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_IN_BRACES: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


class Variables(Mapping[str, str]):
    """Names and values; what does not fit is cut or left out, so that no caller and no program can fill the memory."""

    def __init__(self, caller: str) -> None:
        """Begin with the caller's number, which may be empty."""
        self._values = {CALLER: _clean(caller)}

    def set(self, name: str, value: str) -> None:
        """Set a variable; a name that is none, that of the caller, and one too many change nothing."""
        if name == CALLER or not _NAME.match(name) or (name not in self._values and len(self._values) >= MOST):
            return
        self._values[name] = _clean(value)

    def fill(self, text: str) -> str:
        """Return a text with the values in place of the braces; a variable that was not set is empty."""
        return _IN_BRACES.sub(lambda found: self._values.get(found[1], ""), text)[:LONGEST_TEXT]

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _clean(value: str) -> str:
    return _CONTROL.sub(" ", value[:LONGEST]).strip()
