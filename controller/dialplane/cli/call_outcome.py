"""PURE: a call in words, and how a command ends that followed it."""

from typing import Any

from dialplane.cli.durations import lasting
from dialplane.cli.errors import CommandError, NotAnswered, NotSent, OutcomeUnknown, Refused
from dialplane.cli.plain_text import harmless

Call = dict[str, Any]

COLOURS = {
    "reserved": "yellow",
    "dialing": "cyan",
    "active": "green",
    "Answered": "green",
    "NotAnswered": "yellow",
    "Refused": "red",
    "NotSent": "red",
    "Cancelled": "yellow",
    "Released": "yellow",
    "TimedOut": "red",
}
RUNG = {
    "no": "the customer was not rung",
    "maybe": "the customer may have been rung",
    "yes": "the customer was rung",
}


def step(call: Call) -> str:
    """What its state means, in a line."""
    match call["state"]:
        case "reserved":
            return f"reserved   extension {call['extension_number']} for {harmless(call['agent_id'])}"
        case "dialing" if call["answer_lost"]:
            return "dialing    the platform's answer was lost: the customer may be rung"
        case "dialing":
            return f"dialing    {call['callback_number']}, then {call['customer_number']}"
        case "active":
            return "active     somebody answered"
    return f"released   {ending(call)}"


def ending(call: Call) -> str:
    """How it ended."""
    outcome = str(call["outcome"])
    spans = [
        f"{verb} {lasting(call[field])}"
        for verb, field in (("rang", "ring_seconds"), ("talked", "talk_seconds"))
        if call[field]
    ]
    reason = [harmless(str(call["reason"]))] if call["reason"] else []
    return ", ".join([outcome, *spans, *reason])


def verdict(call: Call) -> CommandError | None:
    """How the command ends that followed a call to its end; None where somebody answered."""
    words = f"{call['id']}: {ending(call)}"
    rung = RUNG.get(call["customer_rung"], RUNG["maybe"])
    match call["outcome"]:
        case "Answered":
            return None
        case "NotAnswered":
            return NotAnswered(words)
        case "NotSent":
            return NotSent(f"{words}; {rung}, it may be tried again")
        case "Refused":
            return Refused(f"{words}; {rung}")
        case "Cancelled" | "Released":
            return Refused(f"{words}; {rung}")
    return OutcomeUnknown(f"{words}; nobody told of its end, {rung}")
