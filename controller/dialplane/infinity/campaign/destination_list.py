"""Lists of destinations as CSV. Pure."""

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

    def __init__(self, lines: tuple[BadLine, ...]) -> None:
        super().__init__("; ".join(str(line) for line in lines[:3]))
        self.lines = lines
        """The first 100 of them."""
