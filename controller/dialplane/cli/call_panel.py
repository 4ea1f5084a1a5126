"""A call on a terminal while it lasts: who, over what, and for how long each state has lasted."""

from typing import Any, Final

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dialplane.cli.call_outcome import COLOURS, RUNG, ending
from dialplane.cli.durations import ago, lasting
from dialplane.cli.plain_text import harmless

_MOMENTS: Final = (
    ("reserved", "reserved_at", "extension leased, the platform is asked"),
    ("dialing", "dialing_at", "rings the agent, then the customer"),
    ("active", "answered_at", "somebody answered"),
)


class CallPanel:
    """Drawn anew several times a second, so that the times run."""

    def __init__(self, call: dict[str, Any]) -> None:
        self.call = call

    def __rich__(self) -> Panel:
        """The panel as it is now."""
        call = self.call
        lines = Table.grid(padding=(0, 2))
        for _ in range(3):
            lines.add_column(no_wrap=True)
        reached = [(state, call[moment], words) for state, moment, words in _MOMENTS if call[moment]]
        for index, (state, begun, words) in enumerate(reached):
            follows = reached[index + 1][1] if index + 1 < len(reached) else call["released_at"]
            over = follows is not None
            seconds = ago(begun) - (ago(follows) if over else 0.0)
            mark = Text("✓" if over else "●", style="dim" if over else COLOURS[state])
            said = words if not (state == "dialing" and call["answer_lost"]) else f"answer lost: {RUNG['maybe']}"
            lines.add_row(
                mark, Text(f"{state:9}", style="" if over else "bold"), Text(f"{lasting(seconds):>7}  {said}")
            )
        if call["outcome"]:
            style = COLOURS.get(call["outcome"], "")
            lines.add_row(Text("■", style=style), Text("released", style="bold"), Text(ending(call), style=style))
        title = f"{call['id']}  {call['tenant']}/{call['extension_number']}"
        who = f"{call['agent_id']} ({call['callback_number']}) → {call['customer_number']}"
        border = COLOURS.get(call["outcome"] or call["state"], "")
        return Panel(
            lines, title=Text(harmless(title)), subtitle=Text(harmless(who)), title_align="left",
            subtitle_align="left", border_style=border, expand=False,
        )  # fmt: skip
