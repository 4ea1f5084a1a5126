"""What a campaign found out, as CSV that spreadsheets open without taking anything in it for a formula. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

Answer = Mapping[str, Any]
"""What the API says of one destination."""

MOST: Final = 200_000
"""Destinations of a list."""
COLUMNS: Final = {
    "number": "number",
    "caseId": "case_id",
    "state": "state",
    "attempts": "attempts",
    "outcome": "outcome",
    "finishedAt": "finished_at",
    "call": "call",
    "botCall": "bot_call",
    "botOutcome": "bot_outcome",
}
"""Columns that every export has, and the API's names."""
COLLECTED: Final = "collected."
"""Begins the name of a column with what a bot collected."""
_FORMULA: Final = re.compile(r"[\t\r\n ]*[=+@\-]|[\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


class ExportFormat(StrEnum):
    """How it is written."""

    CSV = "csv"
    JSON = "json"
    YAML = "yaml"


def as_csv(found: Sequence[Answer]) -> str:
    """Return destinations as CSV with a header, in their order; lines end in CR and LF."""
    collected = _names(each["collected"] for each in found)
    custom = _names(each["custom_params"] for each in found)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe(name) for name in (*COLUMNS, *(f"{COLLECTED}{name}" for name in collected), *custom)])
    for each in found:
        own = [each[name] for name in COLUMNS.values()]
        values = [each["collected"].get(name) for name in collected]
        values += [each["custom_params"].get(name) for name in custom]
        writer.writerow([safe("" if value is None else str(value)) for value in (*own, *values)])
    return text.getvalue()


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet calculates: with `'` in front where it may; numbers stay as they are."""
    plain = cell.replace("\0", "\ufffd")
    return f"'{plain}" if _FORMULA.match(plain) and not _NUMBER.fullmatch(plain) else plain


def _names(found: Iterable[Mapping[str, str]]) -> list[str]:
    """The names in these, each once, in the order in which they come."""
    return list(dict.fromkeys(name for each in found for name in each))
