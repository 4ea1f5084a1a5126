"""What is wrong with a list that cannot be read: its lines, each with its cure. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with one line."""

    line: int
    """From 1, the header's; 0: the whole text."""
    column: str
    """By its name in the header; empty: the whole line."""
    message: str
    """What is wrong, and the cure."""

    def __str__(self) -> str:
        where = ", ".join(([f"line {self.line}"] if self.line else []) + ([self.column] if self.column else []))
        return f"{where}: {self.message}" if where else self.message


class BadListError(ValueError):
    """A list that cannot be read: nothing of it is taken. Its author corrects the lines."""

    def __init__(self, lines: Sequence[BadLine], more: int = 0, field: str = "", source: str = "") -> None:
        rest = len(lines) + more - 3
        text = "; ".join(str(line) for line in lines[:3])
        where = f"{source}: " if source else ""
        super().__init__(f"{where}{text}; and {rest} more" if rest > 0 else f"{where}{text}")
        self.lines = tuple(lines)
        """The first of them."""
        self.more = more
        """How many further ones there are."""
        self.field = field
        """Of the manifest that names the list."""
