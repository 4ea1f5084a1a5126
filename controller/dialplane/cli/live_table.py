"""The live table of `dialplane run`: every resource and its Ready, redrawn as statuses change."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from dialplane.cli.output import console, table
from dialplane.cli.printer_columns import colours, headings, row
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.standalone.status_file import Entry, StatusFile

REDRAW_SECONDS: Final = 0.5
ROWS: Final = 30
"""Rows of one kind that fit; those that are not Ready come first, and the rest are counted."""


async def show_live(statuses: StatusFile, hints: Callable[[], Iterable[str]]) -> None:
    """Redraw until cancelled; `hints` gives the lines to stand below the table."""
    screen = console()
    with Live(console=screen, auto_refresh=False, transient=False, redirect_stderr=True) as live:
        while True:
            live.update(view(statuses.entries, statuses.source, hints()), refresh=True)
            await asyncio.sleep(REDRAW_SECONDS)


def view(entries: Mapping[Key, Entry], source: Mapping[str, Any], hints: Iterable[str] = ()) -> RenderableType:
    """The whole table."""
    parts: list[RenderableType] = []
    for kind in KINDS.values():
        mine = {key: entry for key, entry in sorted(entries.items()) if key.kind == kind.name}
        if not mine:
            continue
        names = [*headings(kind, wide=False), "MESSAGE"]
        order = sorted(mine, key=lambda key: (_ready(mine[key]) == "True", key))
        rows = [[*row(key, mine[key], kind, wide=False), _message(mine[key])] for key in order[:ROWS]]
        parts.append(table(names, rows, [colours(cells, names) for cells in rows]))
        if len(order) > ROWS:
            parts.append(
                Text(f"… and {len(order) - ROWS} more {kind.plural}: dialplane get {kind.plural}", style="dim")
            )
        parts.append(Text())
    parts.append(_footer(entries, source))
    parts += [Text(line, style="dim") for line in hints]
    return Group(*parts)


def _footer(entries: Mapping[Key, Entry], source: Mapping[str, Any]) -> Text:
    ready = sum(_ready(entry) == "True" for entry in entries.values())
    where = " ".join(filter(None, (str(source.get("origin", "")), str(source.get("revision", ""))[:12])))
    text = Text(f"{ready} of {len(entries)} ready   {where}", style="bold")
    if source.get("progress"):
        text.append(f"   {source['progress']}")
    if source.get("stale"):
        text.append("   newest state broken, an older one is in force", style="bold red")
    return text


def _condition(entry: Entry, kind: str) -> Mapping[str, Any]:
    return next((c for c in entry.status.get("conditions", ()) if c.get("type") == kind), {})


def _ready(entry: Entry) -> str:
    return str(_condition(entry, "Ready").get("status", ""))


def _message(entry: Entry) -> str:
    """What is not as it should be: of Ready, or of another condition beside it."""
    conditions = entry.status.get("conditions", ())
    well = all(c.get("status") == "True" for c in conditions)
    return "" if well else str(entry.status.get("message", ""))[:80]
