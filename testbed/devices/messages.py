"""What devices say, as frames that are built once, and what they are told."""

import json
from typing import Any, Final

from websockets.frames import Frame, Opcode

PONG: Final = Frame(Opcode.TEXT, b'{"type":"pong"}').serialize(mask=False)
"""The answer to a heartbeat, as it nearly always comes; in other words it is a pong all the same."""


def text_frame(text: str) -> bytes:
    """Return a device's message as it goes over the wire, masked."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


def frame(message: dict[str, Any]) -> bytes:
    """Return a message as it goes over the wire, masked."""
    return text_frame(json.dumps(message, separators=(",", ":")))


def heartbeat(device: str) -> bytes:
    """Return the heartbeat of a device, as the devices in the field send it."""
    return frame({"type": "heartbeat", "device_id": device, "payload": "ok"})


def read(text: str) -> dict[str, Any] | None:
    """Return the object that a text is; None for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
