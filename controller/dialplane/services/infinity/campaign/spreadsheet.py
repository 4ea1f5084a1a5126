"""Tables as spreadsheets write them: their bytes, their separators, and what they do to numbers. Pure.

UTF-8, UTF-16 and, where a file is neither, Windows-1252, which spreadsheets in the west write by default. A comma, a
semicolon or a tab separates, whichever makes the first line name the columns; a line `sep=;` above it says so.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from dialplane.services.infinity.campaign.bad_list import BadLine, BadListError

SAVE_AGAIN: Final = "save it as `CSV UTF-8`"
_MARK: Final = "\ufeff"
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATORS: Final = (",", ";", "\t")
_SAYS: Final = re.compile(r'"?sep=([,;\t])"?[,;\t]*\Z', re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"')
_FORMULA: Final = re.compile(r'="(.*)"\Z', re.DOTALL)
_TEXT_MARK: Final = re.compile(r"'[+0-9=(]")
_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2060"


def decoded(data: bytes) -> str:
    """The text of a file.

    Raises:
        BadListError: it is none.
    """
    if data.startswith(_WORKBOOKS):
        raise _whole(f"is a workbook, and not a table as text: {SAVE_AGAIN}")
    wide = _wide(data)
    try:
        return data.decode(wide or "utf-8-sig").removeprefix(_MARK)
    except UnicodeDecodeError as error:
        before = data[: error.start]
    if wide:
        raise _whole(f"is UTF-16 and breaks off: {SAVE_AGAIN}")
    if not before.isascii():
        line = before.count(b"\n") + 1
        raise BadListError([BadLine(line, "", f"is not UTF-8, as the lines above it are: {SAVE_AGAIN}")])
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        raise _whole(f"is neither UTF-8 nor Windows-1252: {SAVE_AGAIN}") from None


def rows(text: str, wanted: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that is not empty, with its number from 1; a value in quotes may go over several.

    Args:
        text: the table.
        wanted: a column that the first line names, as `word` has it: what tells which separator is one.

    Raises:
        BadListError: it is no table.
    """
    plain = text.removeprefix(_MARK)
    first, _, rest = plain.partition("\n")
    said = _SAYS.match(first.strip(" \r"))
    skipped = 1 if said else 0
    body = rest if said else plain
    separator = said[1] if said else _separator(body, wanted)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    begins = 1 + skipped
    try:
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if any(values):
                yield begins, values
            begins = reader.line_num + 1 + skipped
    except csv.Error as error:
        too_long = csv.field_size_limit()
        cure = (
            f"a value has {too_long} characters at most: look for a quote that is never closed"
            if str(too_long) in str(error)
            else f"{error}: quotes enclose a whole value, and a quote in it is two"
        )
        raise BadListError([BadLine(begins, "", cure)]) from None


def value(cell: str) -> str:
    """What a cell says: without the blanks around it, and without the marks by which spreadsheets keep numbers as text.

    `="+49…"` is +49…, and so is `'+49…`.
    """
    plain = cell.strip().strip(_INVISIBLE).strip()
    if found := _FORMULA.match(plain):
        plain = found[1].strip()
    return plain[1:] if _TEXT_MARK.match(plain) else plain


def word(name: str) -> str:
    """The name of a column without what people write differently: capitals, blanks, dashes."""
    return re.sub(r"[\s_.-]", "", name).lower()


def _separator(text: str, wanted: str) -> str:
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    counts = {each: _QUOTED.sub("", first).count(each) for each in _SEPARATORS}
    by_number = sorted(_SEPARATORS, key=lambda each: -counts[each])
    names = ((each, {word(value(cell.strip().strip('"'))) for cell in first.split(each)}) for each in by_number)
    return next((each for each, found in names if wanted in found), by_number[0])


def _wide(data: bytes) -> str:
    """The codec of a file in UTF-16, also of one without its mark; empty for any other."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if data[:1] and data[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if data[:1] == b"\0" else ""


def _whole(message: str) -> BadListError:
    return BadListError([BadLine(0, "", f"the list {message}")])
