"""What a reader of files has to say about them: always with the place and the cure."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much it matters."""

    ERROR = "error"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One line for the user. Never contains a secret's value."""

    file: str
    line: int
    """From 1; 0 where the whole file is meant."""
    subject: str
    """`Kind/name`, as far as they are known."""
    field: str
    message: str
    level: Level = Level.ERROR

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.subject, self.field, self.message) if part)
