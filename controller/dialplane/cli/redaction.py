"""Takes secrets out of rendered files before anybody sees them.

Two nets, because templates may be the user's own: options that are secret by their place, and every known secret value
that is long enough to be told from ordinary words wherever it stands.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import SecretStr

from dialplane.plan.objects import KEYS, Objects
from dialplane.plan.render import VOICEMAIL

HIDDEN: Final = "(hidden)"
RECOGNISABLE: Final = 6
"""Characters from which on a value is looked for anywhere."""

_OPTION: Final = re.compile(
    r"^(\s*(?:[A-Za-z_]*(?:password|passwd|secret|md5_cred)[A-Za-z_]*)\s*=>?\s*)(.*)$", re.IGNORECASE
)
_MAILBOX: Final = re.compile(r"^(\s*[^\s;\[=]+\s*=>\s*)([^,]*)")
_BLOCK: Final = re.compile(r"^-----(BEGIN|END) ")


class Redaction:
    """Knows the secrets of one or more sites."""

    def __init__(self, *known: Objects | Mapping[str, Mapping[str, SecretStr]]) -> None:
        values: set[str] = set()
        options: set[tuple[str, str]] = set()
        for source in known:
            if isinstance(source, Objects):
                for item in source.pjsip:
                    for name, value in item.options:
                        if isinstance(value, SecretStr):
                            options.add((item.type.file, name))
                            values.add(value.get_secret_value())
            else:
                values |= {
                    v.get_secret_value() for entries in source.values() for k, v in entries.items() if k != "username"
                }
        lines = {line.strip() for value in values for line in value.splitlines()}
        found = sorted((line for line in lines if len(line) >= RECOGNISABLE), key=len, reverse=True)
        self._options = frozenset(options)
        self._values = frozenset(found)
        self._shortest = min(map(len, found), default=0)
        self._few = re.compile("|".join(map(re.escape, found))) if 0 < len(found) <= 200 else None  # noqa: PLR2004

    def line(self, file: str, line: str) -> str:
        """One line of a file, its secrets hidden."""
        if file.startswith(f"{KEYS}/"):
            return line if _BLOCK.match(line) else HIDDEN
        found = _OPTION.match(line)
        if found:
            return found[1] + HIDDEN
        name, equals, _ = line.partition("=")
        if equals and (file, name.strip()) in self._options:
            return f"{name}= {HIDDEN}"
        if file == VOICEMAIL:
            line = _MAILBOX.sub(rf"\1{HIDDEN}", line)
        return self._anywhere(line)

    def text(self, file: str, text: str) -> str:
        """A whole file, its secrets hidden."""
        return "".join(f"{self.line(file, line)}\n" for line in text.splitlines())

    def lines(self, file: str, lines: Iterable[str]) -> list[str]:
        """Several lines."""
        return [self.line(file, line) for line in lines]

    def _anywhere(self, line: str) -> str:
        if not self._values:
            return line
        if self._few is not None:
            return self._few.sub(HIDDEN, line)
        # Thousands of secrets: word by word is linear, where an alternation of them all would not be.
        return re.sub(r"[^\s,=;|&()\[\]<>\"]+", lambda m: HIDDEN if m[0] in self._values else m[0], line)
