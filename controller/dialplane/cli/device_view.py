"""How devices, their commands and journals look on a terminal, and how a command to one ended. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from dialplane.cli.durations import ago, at, lasting
from dialplane.cli.errors import CommandError, OutcomeUnknown, Refused
from dialplane.cli.plain_text import harmless

Answer = Mapping[str, Any]
"""What the API says of one of them."""

HEADINGS: Final = ("ID", "LOCATION", "ONLINE", "SEEN", "ALARM", "TEST-CALL", "QUEUED", "FIRMWARE", "ADDRESS")
COMMAND_HEADINGS: Final = ("QUEUED", "COMMAND", "KIND", "STATE", "BY", "ID", "TEXT")
_ALARMS: Final = {"Raised": "red", "Answered": "yellow"}
_STATES: Final = {
    "succeeded": "green",
    "delivered": "green",
    "failed": "red",
    "rejected": "red",
    "expired": "red",
    "unknown": "yellow",
}
_TYPES: Final = {"alarm": "red", "offline": "red", "conflict": "red", "online": "green"}


def in_alarm(device: Answer) -> bool:
    """Return whether an emergency is open."""
    return bool(device["alarm"]) and device["alarm"]["state"] in _ALARMS


def row(device: Answer) -> list[str]:
    """Return a device's line of a table, below `HEADINGS`."""
    alarm = device["alarm"]
    seen, tested = device["last_seen_at"], device["last_test_call_at"]
    cells = [
        device["id"],
        device["location"],
        {True: "yes", False: "no", None: "unknown"}[device["online"]],
        "now" if device["online"] and device["connected_at"] else f"{lasting(ago(seen))} ago" if seen else "never",
        alarm["state"] if alarm else "",
        f"{lasting(ago(tested))} ago" if tested else "",
        str(device["commands_queued"] or ""),
        device["firmware"] or "",
        device["address"] or "",
    ]
    return [harmless(cell) for cell in cells]


def styles(device: Answer) -> list[str | None]:
    """Return the colours of that line."""
    online = {True: "green", False: "red", None: "yellow"}[device["online"]]
    alarm = device["alarm"]
    return [None, None, online, None, _ALARMS.get(alarm["state"]) if alarm else None, *[None] * 4]


def steady(device: Answer) -> tuple[Any, ...]:
    """Return what of a device is news when it changes, and not the time that passes."""
    alarm = device["alarm"]
    return (device["online"], alarm and alarm["state"], device["connected_at"], device["firmware"], device["location"])


def change(device: Answer) -> str:
    """Return the line that tells of a device in a pipe."""
    alarm = device["alarm"]
    parts = [
        device["id"],
        {True: "online", False: "offline", None: "unknown"}[device["online"]],
        f"alarm {alarm['state']}" if alarm else "-",
        device["address"] or "-",
        device["location"],
    ]
    return harmless("   ".join(parts))


def lines(device: Answer) -> list[str]:
    """Return everything about one device, a line each."""
    allowed = ", ".join(f"{each['name']} ({each['kind']})" for each in device["allowed_commands"])
    shown: list[str] = []
    for name, value in device.items():
        if value is None or value == []:
            continue
        if name == "alarm":
            text = f"{value['state']} since {at(value['since'])}"
        elif name == "last_snapshot":
            text = f"{at(value['taken_at'])} {value['url']}"
        elif name == "allowed_commands":
            text = allowed
        elif name.endswith("_at"):
            text = f"{at(value)} ({lasting(ago(value))} ago)"
        elif isinstance(value, bool):
            text = "yes" if value else "no"
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        shown.append(harmless(f"{name}: {text}"))
    return shown


def command_row(command: Answer) -> list[str]:
    """Return a command's line of a table, below `COMMAND_HEADINGS`."""
    cells = [
        at(command["queued_at"]),
        command["name"],
        command["kind"],
        command["state"],
        command["asked_by"],
        command["id"],
        _answer(command),
    ]
    return [harmless(cell) for cell in cells]


def command_styles(command: Answer) -> list[str | None]:
    """Return the colours of that line."""
    return [None, None, None, _STATES.get(command["state"]), None, None, None]


def colour(command: Answer) -> str | None:
    """Return the colour of a command's state."""
    return _STATES.get(command["state"])


def step(command: Answer) -> str:
    """Return a command's state in a line."""
    answer = _answer(command)
    return harmless(f"{command['device_id']}: {command['state']}{f' ({answer})' if answer else ''}  {command['id']}")


def verdict(command: Answer) -> CommandError | None:
    """Return the error that a command which ended so ends `dialplane` with; None where it went well."""
    device, state = command["device_id"], command["state"]
    why = f": {harmless(command['reason'])}" if command["reason"] else ""
    if state in {"succeeded", "delivered"}:
        return None
    if state == "unknown":
        return OutcomeUnknown(f"{device}: nobody knows whether {command['name']} was carried out{why}")
    return Refused(f"{device}: {command['name']} is {state}{why}")


def entry(found: Answer) -> tuple[str, str | None]:
    """Return an entry of a journal in a line, and its colour."""
    data = found["data"]
    if found["type"] == "log" and isinstance(data, dict):
        text = f"{data.get('level') or ''} {data.get('text', '')}".strip()
    else:
        text = json.dumps(data, ensure_ascii=False) if data else ""
    return harmless(f"{at(found['at'])}  {found['type']:<12} {text}".rstrip()), _TYPES.get(found["type"])


def _answer(command: Answer) -> str:
    result = command["result"]
    said = "" if result is None else json.dumps(result, ensure_ascii=False)
    return "; ".join(filter(None, (command["reason"] or "", said)))
