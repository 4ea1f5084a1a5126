"""Lists of destinations as CSV, and lists of numbers: the one reader of ConfigMaps, uploads and `validate`. Pure.

A list with a bad line is no list: nothing of it is taken, and each bad line is one sentence with its cure.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from dialplane.resources.campaign import CaseId
from dialplane.resources.fields import CallerNumber
from dialplane.resources.numbering import EMERGENCY_NUMBERS, Numbering, compact, normalise
from dialplane.services.infinity.campaign.bad_list import BadLine, BadListError
from dialplane.services.infinity.campaign.spreadsheet import rows, value, word
from dialplane.services.infinity.tables.destinations import NewDestination

__all__ = ["BadLine", "BadListError", "bad_destination", "bad_number", "destinations", "numbers"]

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
_OURS: Final = {_NUMBER_FIELD: _NUMBER_FIELD, word(_CASE_FIELD): _CASE_FIELD}
_SYNONYMS: Final = frozenset({"phone", "phonenumber", "telephone", "tel", "mobile", "telefon", "rufnummer", "nummer"})
_NO_HEADER: Final = "the first line names the columns, one of them `number`"
_AS_TEXT: Final = "format the column as text, and enter the numbers again"
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+[.,][0-9]+")


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]

    @property
    def custom(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in {_NUMBER_FIELD, _CASE_FIELD})


def destinations(text: str, numbering: Numbering | None = None) -> tuple[NewDestination, ...]:
    """The destinations of a CSV, in order; somebody who is there twice is twice in the answer.

    The first line names the columns, in any order: `number`, perhaps `caseId`, and others, which are kept with the
    call. Empty lines do not count. Numbers are taken as they are written, but for spaces and the like.

    Args:
        text: the list.
        numbering: what numbers without a country are. Without it they are taken, and compared with each other alone.

    Raises:
        BadListError: with every bad line.
    """
    lines = rows(text, _NUMBER_FIELD)
    number, names = next(lines, (1, []))
    if not names:
        raise BadListError([BadLine(number, "", f"the list is empty: {_NO_HEADER}")])
    header = _header(number, names)
    found: list[NewDestination] = []
    bad = _Bad()
    for count, (line, cells) in enumerate(lines, start=1):
        if count > LINES:  # bad ones count as well: millions of them would be looked at for minutes
            raise BadListError(
                [BadLine(line, "", f"a list has {LINES} destinations at most: split it among campaigns")]
            )
        wrong = list(_wrong(header, line, cells, numbering))
        if wrong:
            bad.add(*wrong)
        elif not bad.many:
            found.append(_destination(header, cells))
    bad.complain()
    return tuple(found)


def numbers(text: str, numbering: Numbering | None = None) -> tuple[str, ...]:
    """Telephone numbers, one a line; empty lines and those that begin with `#` do not count.

    A table with a column `number` is one as well: its other columns do not count.

    Raises:
        BadListError: with every bad line.
    """
    found: list[str] = []
    bad = _Bad()
    for line, cell in _cells(text):
        message = bad_number(cell, numbering)
        if message is None:
            found.append(compact(cell) or cell)
        else:
            bad.add(BadLine(line, "", message))
    bad.complain()
    return tuple(found)


def _cells(text: str) -> Iterator[tuple[int, str]]:
    lines = [
        (at, line.strip()) for at, line in enumerate(io.StringIO(text.removeprefix("\ufeff"), newline=None), start=1)
    ]
    plain = [(line, each) for line, each in lines if each and not each.startswith("#")]
    if any(letter.isalpha() for _, each in plain[:2] for letter in each):
        table = rows("\n".join("" if each.startswith("#") else each for _, each in lines), _NUMBER_FIELD)
        first, names = next(table, (1, []))
        if _NUMBER_FIELD in (ours := [_ours(name) for name in names]):
            place = ours.index(_NUMBER_FIELD)
            yield from ((line, value(cells[place]) if place < len(cells) else "") for line, cells in table)
            return
        if (hint := _hint(names)) and (len(names) > 1 or compact(names[0]) is None):
            raise BadListError([BadLine(first, "", f"a table: {_NO_HEADER}{hint}")])
    for line, each in plain:
        yield line, value(value(each.rstrip(",;\t")).strip('"'))


class _Bad:
    """Bad lines, as many as are told of."""

    def __init__(self) -> None:
        self.many = 0
        self._lines: list[BadLine] = []

    def add(self, *lines: BadLine) -> None:
        self.many += len(lines)
        self._lines += lines[: SHOWN - len(self._lines)]

    def complain(self) -> None:
        if self._lines:
            raise BadListError(self._lines, self.many - len(self._lines))


def _header(line: int, cells: Sequence[str]) -> _Header:
    names = tuple(_ours(cell) for cell in cells)
    wrong = list(_wrong_names(line, names))
    if wrong:
        raise BadListError(wrong)
    return _Header(names)


def _ours(name: str) -> str:
    """`Number`, `NUMBER`: whatever people write for one of the two names that are known here."""
    plain = value(name)
    return _OURS.get(word(plain), plain)


def _wrong_names(line: int, names: Sequence[str]) -> Iterator[BadLine]:
    if _NUMBER_FIELD not in names:
        yield BadLine(line, "", f"{_NO_HEADER}{_hint(names)}")
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


def _hint(names: Sequence[str]) -> str:
    if any(name and compact(name) for name in names):
        return ": put a line with their names above this one"
    if any("|" in name for name in names):
        return ": separate them by commas, semicolons or tabs"
    near = next((name for name in names if word(name) in _SYNONYMS), None)
    return f": write `{_NUMBER_FIELD}` for {near!r}" if near else ""


def _wrong(header: _Header, line: int, cells: Sequence[str], numbering: Numbering | None) -> Iterator[BadLine]:
    if len(cells) != len(header.names):
        yield BadLine(
            line, "", f"{len(cells)} values for {len(header.names)} columns: put a value with a separator in quotes"
        )
        return
    for name, cell in zip(header.names, cells, strict=True):
        if name == _NUMBER_FIELD:
            message = bad_destination(value(cell), numbering)
        elif name == _CASE_FIELD:
            message = _refused(_CASE, case) if (case := value(cell)) else None
        else:
            message = _bad_value(cell)
        if message is not None:
            yield BadLine(line, name, message)


def bad_destination(cell: str, numbering: Numbering | None) -> str | None:
    """Return what is wrong with a number that shall be called, and the cure; None where nothing is.

    With a `numbering` no emergency number is a number at all; without one, an extension may not look like one.
    """
    if numbering is None and compact(cell) in EMERGENCY_NUMBERS:
        return "an emergency number: a campaign calls none; take the line out"
    return bad_number(cell, numbering)


def bad_number(cell: str, numbering: Numbering | None) -> str | None:
    """What is wrong with a number, and the cure; None where it is a number, and known as far as it has to be."""
    if _SCIENTIFIC.fullmatch(cell):
        return f"a spreadsheet has made a calculated value of it, and its last digits are lost: {_AS_TEXT}"
    if _DECIMAL.fullmatch(cell):
        return f"a spreadsheet has made a calculated value of it: {_AS_TEXT}"
    number = compact(cell)
    if (message := _refused(_NUMBER, cell if number is None else number)) is not None:
        return message
    if numbering is None or normalise(cell, numbering) is not None:
        return None
    home = f", or with the national prefix {numbering.national}" if numbering.national else ""
    return (
        f"whose number it is cannot be known: write it with + and the country code{home}; where a spreadsheet has taken"
        f" a 0 or + away, {_AS_TEXT}"
    )


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
    values = dict(zip(header.names, cells, strict=True))
    number = compact(value(values.pop(_NUMBER_FIELD))) or ""
    case = value(values.pop(_CASE_FIELD, "")) or None
    return NewDestination(number, case, {name: v for name, v in values.items() if v})
