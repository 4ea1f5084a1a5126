"""Numbers of a pool: single ones, and ranges of them."""

from collections.abc import Iterable
from typing import Annotated, Final

from dialplane.resources.text import NotThisError, Text

POOL_MOST: Final = 10_000
"""Numbers that a pool may have."""


def _numbers(text: str) -> None:
    first, dash, last = text.partition("-")
    if not dash:
        return
    if len(first) != len(last):
        raise NotThisError("a range: both its ends have as many digits, such as 8001-8050")
    if int(first) > int(last):
        raise NotThisError(f"a range: it runs backwards; did you mean {last}-{first}?")
    if int(last) - int(first) >= POOL_MOST:
        raise NotThisError(f"a range of at most {POOL_MOST:,} numbers")


PoolNumbers = Annotated[
    str,
    Text("a number of 2 to 10 digits or a range, such as 8001-8050", r"^[0-9]{2,10}(-[0-9]{2,10})?$", 21, _numbers),
]
"""An extension number, or a range of them such as `8001-8050`."""


def count_of(ranges: Iterable[str]) -> int:
    """How many numbers the ranges have, without writing them out; one that is in two of them counts twice."""
    ends = (text.partition("-") for text in ranges)
    return sum(int(last or first) - int(first) + 1 for first, _, last in ends)


def numbers_of(ranges: Iterable[str]) -> tuple[str, ...]:
    """Every number of the ranges, in the order they are written in; one that is in two of them comes twice."""
    found: list[str] = []
    for text in ranges:
        first, dash, last = text.partition("-")
        if dash:
            found += [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
        else:
            found.append(first)
    return tuple(found)
