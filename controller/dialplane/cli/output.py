"""Where text goes: tables and colours on a terminal, plain lines in a pipe, JSON or YAML for programs.

`NO_COLOR` and `TERM=dumb` are respected (by rich). Nothing a manifest says is taken as markup. Every command imports
this module, so rich and the YAML writer are imported by the functions that use them.
"""

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from dialplane.cli.plain_text import harmless_quoted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDE: Final = 10_000
"""Columns of a pipe: a line is never folded there, so that `grep` and `cut` work."""


ELASTIC: Final = {"TEXT": 24, "ERROR": 16, "MESSAGE": 16, "DISPLAY": 12, "LOCATION": 16, "VERSION": 12, "PROVIDER": 12}
"""Columns that are cut before any other where a terminal is narrow, and what `show_table` leaves of them."""
_BETWEEN: Final = 2


class Format(StrEnum):
    """What `-o` takes where programs read along."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def console(*, error: bool = False) -> "Console":
    """The terminal, or the pipe, as it is at this moment."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else WIDE
    return Console(
        file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True, no_color=_colourless()
    )


def _colourless() -> bool | None:
    return True if os.environ.get("NO_COLOR") else None


def say(text: str = "", style: str | None = None) -> None:
    """One line to standard output."""
    if sys.stdout.isatty() and style:
        from rich.text import Text

        console().print(Text(text, style=style))
    else:
        sys.stdout.write(f"{text}\n")


def warn(text: str, style: str | None = "yellow") -> None:
    """One line to standard error."""
    line = " ".join(text.split())
    if sys.stderr.isatty() and style:
        from rich.text import Text

        console(error=True).print(Text(line, style=style))
    else:
        sys.stderr.write(f"{line}\n")


def write(text: str) -> None:
    """Text as it is; bytes that are no UTF-8 (surrogates) are shown escaped."""
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def as_json(value: Any) -> str:
    """The value for a program, or for a person's terminal."""
    return harmless_quoted(json.dumps(value, indent=2, ensure_ascii=False, default=str)) + "\n"


def as_yaml(value: Any) -> str:
    """The value as YAML that every reader reads alike: what could be taken for a number or a boolean is quoted."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_quoted(value), out)
    return harmless_quoted(out.getvalue())


def _quoted(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    from dialplane.standalone.document import reads_alike

    if isinstance(value, dict):
        return {_quoted(str(name)): _quoted(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(item) for item in value]
    if isinstance(value, str):
        return str(value) if reads_alike(value) and harmless_quoted(value) == value else DoubleQuotedScalarString(value)
    return value


def emit(value: Any, form: Format) -> None:
    """The value in the form a program asked for."""
    write(as_yaml(value) if form is Format.YAML else as_json(value))


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[Sequence[str | None]] = ()
) -> "Table":
    """A table in kubectl's manner: no lines, two blanks between columns. `styles` gives the colours, row by row."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, _BETWEEN, 0, 0), show_edge=False, header_style="bold", pad_edge=False)
    for heading in headings:
        made.add_column(heading, no_wrap=heading not in ELASTIC, overflow="ellipsis")
    for number, row in enumerate(rows):
        colours = styles[number] if number < len(styles) else [None] * len(row)
        cells = zip(row, colours, strict=True)
        made.add_row(*(Text(cell, colour or "", no_wrap=True, overflow="ellipsis") for cell, colour in cells))
    return made


def show_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[Sequence[str | None]] = ()
) -> None:
    """Print a table: by rich on a terminal, as aligned plain text in a pipe.

    A terminal that is too narrow folds the lines: half a name or an id would be of no use.
    """
    if sys.stdout.isatty():
        from rich.cells import cell_len

        screen = console()
        least = [
            min(max(cell_len(row[i]) for row in [headings, *rows]), ELASTIC.get(heading, WIDE)) + _BETWEEN
            for i, heading in enumerate(headings)
        ]
        screen.width = max(screen.width, sum(least))
        screen.print(table(headings, rows, styles))
        return
    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings))]
    for row in [headings, *rows]:
        sys.stdout.write("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
