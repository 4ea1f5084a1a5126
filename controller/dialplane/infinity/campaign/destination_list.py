"""Lists of destinations as CSV, and lists of numbers. Pure.

A list with a bad line is no list: nothing of it is taken, and each bad line is one sentence with its cure.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from dialplane.resources.campaign import CaseId
from dialplane.resources.fields import CallerNumber
from dialplane.store.destinations import NewDestination

LINES: Final = 200_000
"""Destinations at most."""
COLUMNS: Final = 20
"""Columns besides `number` and `caseId`."""
NAME_LENGTH: Final = 64
VALUE_LENGTH: Final = 256
SHOWN: Final = 100
"""Bad lines that are told of."""

_NUMBER: Final = TypeAdapter[str](CallerNumber)
_CASE: Final = TypeAdapter[str](CaseId)
_NUMBER_FIELD: Final = "number"
_CASE_FIELD: Final = "caseId"
_MARK: Final = "\ufeff"


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

    def __init__(self, lines: Sequence[BadLine], more: int = 0, field: str = "") -> None:
        rest = len(lines) + more - 3
        text = "; ".join(str(line) for line in lines[:3])
        super().__init__(f"{text}; and {rest} more" if rest > 0 else text)
        self.lines = tuple(lines)
        """The first of them."""
        self.more = more
        """How many further ones there are."""
        self.field = field
        """Of the manifest that names the list."""


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]

    @property
    def custom(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in {_NUMBER_FIELD, _CASE_FIELD})


def destinations(text: str) -> tuple[NewDestination, ...]:
    """The destinations of a CSV, in order; somebody who is there twice is twice in the answer.

    The first line names the columns, in any order: `number`, perhaps `caseId`, and others, which are kept with the
    call. Commas or semicolons separate, quotes enclose; empty lines do not count. Numbers are taken as they
    are written.

    Raises:
        BadListError: with every bad line.
    """
    rows = _rows(text)
    number, names = next(rows, (1, []))
    header = _header(number, names)
    found: list[NewDestination] = []
    bad: list[BadLine] = []
    many = 0
    for count, (line, cells) in enumerate(rows, start=1):
        if count > LINES:  # bad ones count as well: millions of them would be looked at for minutes
            raise BadListError(
                [BadLine(line, "", f"a list has {LINES} destinations at most: split it among campaigns")]
            )
        wrong = list(_wrong(header, line, cells))
        if wrong:
            many += len(wrong)
            bad += wrong[: SHOWN - len(bad)]
        elif not bad:
            found.append(_destination(header, cells))
    if bad:
        raise BadListError(bad, many - len(bad))
    return tuple(found)


def numbers(text: str) -> tuple[str, ...]:
    """Telephone numbers, one a line; empty lines and those that begin with `#` do not count.

    Raises:
        BadListError: with every bad line.
    """
    found: list[str] = []
    bad: list[BadLine] = []
    many = 0
    for line, each in enumerate(io.StringIO(text.removeprefix(_MARK)), start=1):
        number = each.strip()
        if not number or number.startswith("#"):
            continue
        message = _refused(_NUMBER, number)
        if message is None:
            found.append(number)
        else:
            many += 1
            bad += [BadLine(line, "", message)][: SHOWN - len(bad)]
    if bad:
        raise BadListError(bad, many - len(bad))
    return tuple(found)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that is not empty, with its number; a value in quotes may go over several."""
    plain = text.removeprefix(_MARK)
    first = plain.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(plain, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise BadListError(
            [BadLine(begins, "", f"{error}: quotes enclose a whole value, and a quote in it is two")]
        ) from None


def _header(line: int, cells: Sequence[str]) -> _Header:
    names = tuple(cell.strip() for cell in cells)
    wrong = list(_wrong_names(line, names))
    if wrong:
        raise BadListError(wrong)
    return _Header(names)


def _wrong_names(line: int, names: Sequence[str]) -> Iterator[BadLine]:
    if _NUMBER_FIELD not in names:
        near = next((name for name in names if name.lower() == _NUMBER_FIELD), None)
        hint = f"; write {_NUMBER_FIELD!r} for {near!r}" if near else ""
        yield BadLine(line, "", f"the first line names the columns, one of them `number`{hint}")
    if len([name for name in names if name not in {_NUMBER_FIELD, _CASE_FIELD}]) > COLUMNS:
        yield BadLine(line, "", f"{COLUMNS} columns at most besides `number` and `caseId`: take some out")
        return  # each name is looked for among all others: of a million that takes hours
    for place, name in enumerate(names, start=1):
        if not name:
            yield BadLine(line, f"column {place}", "has no name: give it one, or take the column out")
        elif len(name) > NAME_LENGTH or not name.isprintable():
            yield BadLine(line, f"column {place}", f"a name has up to {NAME_LENGTH} characters that can be printed")
        elif name in names[: place - 1]:
            yield BadLine(line, name, "is there twice: rename one of them")
        elif name != _CASE_FIELD and name.lower().replace("_", "") == _CASE_FIELD.lower():
            yield BadLine(line, name, f"write it `{_CASE_FIELD}`")


def _wrong(header: _Header, line: int, cells: Sequence[str]) -> Iterator[BadLine]:
    if len(cells) != len(header.names):
        yield BadLine(
            line, "", f"{len(cells)} values for {len(header.names)} columns: put a value with a separator in quotes"
        )
        return
    for name, cell in zip(header.names, cells, strict=True):
        value = cell.strip()
        if name == _NUMBER_FIELD:
            message = _refused(_NUMBER, value)
        elif name == _CASE_FIELD:
            message = _refused(_CASE, value) if value else None
        else:
            message = _bad_value(value)
        if message is not None:
            yield BadLine(line, name, message)


def _refused(adapter: TypeAdapter[Any], value: str) -> str | None:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        # Without the value: it stands in statuses and logs, and may be somebody's number. The line says where it is.
        return f"not {error.errors(include_url=False, include_input=False)[0]['msg']}"
    return None


def _bad_value(value: str) -> str | None:
    if len(value) > VALUE_LENGTH:
        return f"has {len(value)} characters: {VALUE_LENGTH} at most"
    if any(ord(character) < ord(" ") for character in value):
        return "has a line break or a control character: take it out"
    return None


def _destination(header: _Header, cells: Sequence[str]) -> NewDestination:
    values = {name: cell.strip() for name, cell in zip(header.names, cells, strict=True)}
    number = values.pop(_NUMBER_FIELD)
    return NewDestination(number, values.pop(_CASE_FIELD, "") or None, {name: v for name, v in values.items() if v})
