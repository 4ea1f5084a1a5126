"""Shows devices that are watched: a table that is redrawn on a terminal; in a pipe a line for each change."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from dialplane.cli import device_view as view
from dialplane.cli.errors import NoAnswer
from dialplane.cli.output import console, say, table, warn
from dialplane.cli.plain_text import harmless

if TYPE_CHECKING:
    from rich.console import RenderableType

Look = Callable[[], list[dict[str, Any]]]

WATCH_SECONDS: Final = 2.0
"""Between two looks."""
ROWS_AROUND: Final = 4
"""Lines of a terminal that the table leaves for its heading and the totals."""


def watch_devices(look: Look) -> None:
    """Show devices until Ctrl-C; `look` asks for them. An API that is away for a while is said, and asked again."""
    if sys.stdout.isatty():
        _on_screen(look)
    else:
        _in_lines(look)


def _in_lines(look: Look) -> None:
    seen: dict[str, Any] = {}
    devices = look()
    while True:
        for each in devices:
            if seen.get(each["id"]) != (news := view.steady(each)):
                say(view.change(each))
            seen[each["id"]] = news
        for gone in sorted(seen.keys() - {each["id"] for each in devices}):
            say(harmless(f"{gone}   gone"))
            del seen[gone]
        sys.stdout.flush()
        devices = _again(look, devices, warn)


def _on_screen(look: Look) -> None:
    from rich.live import Live

    devices = look()
    trouble: list[str] = []
    with Live(_screen(devices, ""), console=console(), auto_refresh=False, screen=False) as live:
        while True:
            trouble.clear()
            devices = _again(look, devices, trouble.append)
            live.update(_screen(devices, " ".join(trouble)), refresh=True)


def _again(look: Look, before: list[dict[str, Any]], complain: Callable[[str], None]) -> list[dict[str, Any]]:
    time.sleep(WATCH_SECONDS)
    try:
        return look()
    except NoAnswer as error:
        complain(str(error))
        return before


def _screen(devices: Sequence[dict[str, Any]], trouble: str) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    room = max(1, console().height - ROWS_AROUND)
    order = sorted(devices, key=lambda each: (not view.in_alarm(each), each["online"] is not False, each["id"]))
    shown = order[:room]
    parts: list[RenderableType] = [table(view.HEADINGS, map(view.row, shown), list(map(view.styles, shown)))]
    if len(order) > room:
        parts.append(Text(f"… and {len(order) - room} more", style="dim"))
    online = sum(each["online"] is True for each in devices)
    parts.append(Text(f"{len(devices)} devices, {online} online", style="bold"))
    if trouble:
        parts.append(Text(trouble, style="red"))
    return Group(*parts)
