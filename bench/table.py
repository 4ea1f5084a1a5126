"""The table where it is read: rich on a terminal, plain in a pipe, Markdown between two markers of README.md."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.results import Machine, Results
from bench.rows import HEADER, rows

_BEGIN, _END = "<!-- table: made by `make bench` -->", "<!-- end of table -->"
_NUMBERS = {"N", "Dialplane", "its figure", "ratio", "goal"}
_GIB = 1024**3


def show(results: Results) -> None:
    """Print it."""
    if not sys.stdout.isatty():
        sys.stdout.write(as_markdown(results) + "\n")
        return
    table = Table(title="\n".join(_where(results)))
    for head in HEADER:
        table.add_column(head, justify="right" if head in _NUMBERS else "left")
    before = ""
    for row in rows(results):
        topic = row.what.partition(",")[0]
        if before not in {topic, ""}:
            table.add_section()
        before = topic
        table.add_row(*row.cells)
    Console().print(table)


def as_markdown(results: Results) -> str:
    """As a document shows it, with the machine above."""
    rules = ["---:" if head in _NUMBERS else "---" for head in HEADER]
    lines = [HEADER, rules, *(row.cells for row in rows(results))]
    return "\n".join(["\n\n".join(_where(results)), "", *(f"| {' | '.join(cells)} |" for cells in lines)])


def _where(results: Results) -> list[str]:
    return [
        described(results.machine),
        *(f"Topic `{topic}`, in a run of its own. {described(machine)}" for topic, machine in results.apart.items()),
    ]


def described(machine: Machine) -> str:
    """Where and with what, in a sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    where = f"{machine.cpu}, {machine.cores} cores, {machine.memory / _GIB:.0f} GiB"
    return f"Measured on {machine.date}: {where}; {versions}."


def write_into(document: Path, results: Results) -> None:
    """Put the table between the markers of a document.

    Raises:
        ValueError: the document lacks a marker.
    """
    before, begin, rest = document.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{document} lacks the markers of the table")
    document.write_text(f"{before}{begin}\n{as_markdown(results)}\n{end}{after}")
