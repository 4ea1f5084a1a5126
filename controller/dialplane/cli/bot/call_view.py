"""How calls of bots and their transcripts look on a terminal. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from dialplane.cli.durations import at, lasting
from dialplane.cli.plain_text import harmless

Answer = Mapping[str, Any]
"""What the API says of one of them."""

HEADINGS: Final = ("BEGAN", "BOT", "CALLER", "OUTCOME", "LASTED", "STATE", "RECORDED", "ID")
GOES_ON: Final = "goes on"
_COLOURS: Final = {
    "completed": "green",
    "transferred": "green",
    "hung_up": "yellow",
    "fallback": "red",
    "lost": "red",
    None: "cyan",
}
_SPEAKERS: Final = {"caller": None, "bot": "cyan", "system": "dim"}


def row(call: Answer) -> list[str]:
    """Return a call's line of a table, below `HEADINGS`."""
    cells = [
        at(call["beganAt"]),
        call["bot"],
        call["destination"] or call["caller"] or "hidden",
        call["outcome"] or GOES_ON,
        "" if call["seconds"] is None else lasting(call["seconds"]),
        call["target"] or call["state"] or "",
        "yes" if call["recorded"] else "",
        call["id"],
    ]
    return [harmless(cell) for cell in cells]


def styles(call: Answer) -> list[str | None]:
    """Return the colours of that line."""
    return [None, None, None, _COLOURS.get(call["outcome"]), None, None, None, None]


def lines(call: Answer) -> list[tuple[str, str | None]]:
    """Return everything about one call but its turns, a line each, with its colour."""
    shown: list[tuple[str, str | None]] = []
    for name, value in call.items():
        if value is None or name in {"turns", "variables"} or value == "":
            continue
        if name.endswith("At"):
            text = at(value)
        elif name == "seconds":
            text = lasting(value)
        else:
            text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        colour = _COLOURS.get(value) if name == "outcome" else None
        shown.append((harmless(f"{name}: {text}"), colour))
    if call["outcome"] is None:
        shown.append((f"outcome: {GOES_ON}", _COLOURS[None]))
    shown += [(harmless(f"  {name} = {value}"), None) for name, value in call["variables"].items()]
    return shown


def turn(said: Answer) -> tuple[str, str | None]:
    """Return a turn in a line, and its colour."""
    details = said["details"]
    marks = ["interrupted"] if details.get("interrupted") else []
    marks += ["nothing understood"] if said["speaker"] == "caller" and not (said["text"] or details.get("keys")) else []
    marks += [f"keys {details['keys']}"] if details.get("keys") else []
    marks += [f"= {details['value']}"] if details.get("value") else []
    way = [details[name] for name in ("end_of_speech", "recognition", "decision", "first_audio") if name in details]
    marks += [f"{1000 * sum(way):.0f} ms"] if way else []
    after = f"  ({', '.join(marks)})" if marks else ""
    return harmless(f"{at(said['at'])}  {said['speaker']:<6}  {said['text']}{after}"), _SPEAKERS.get(said["speaker"])
