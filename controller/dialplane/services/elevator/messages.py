"""The devices' protocol: what they send, and what is sent to them, as JSON texts. Pure.

Devices in the field differ: a field may stand beside `type` or within `payload`, an id may be called `id` or
`command_id`, a log line may be a text, an object or a list of both. All of that is accepted; fields that nobody asks
for are ignored. Whatever comes in, `parse` returns a message or raises BadMessage, and nothing else.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

from pydantic_core import from_json

LONGEST: Final = 64 * 1024
"""Bytes of a message that is no picture."""
PICTURE_LONGEST: Final = 384 * 1024
"""Bytes of a message with a picture."""
DATA_LONGEST: Final = 4096
"""Bytes of JSON in a state, or in the result of a command."""
TEXT_LONGEST: Final = 2048
"""Bytes of a log line; the rest is cut off."""
LINES: Final = 100
"""Log lines of one message; more are left out."""
SHORT: Final = 64
"""Bytes of a firmware's name, a capability, a level, an id."""
REASON_LONGEST: Final = 256
CAPABILITIES: Final = 16

_IDENTIFIER: Final = re.compile("[A-Za-z0-9_-]{1,40}", re.ASCII)

PONG: Final = '{"type":"pong"}'
"""The answer to a heartbeat."""

Ended = Literal["succeeded", "failed", "rejected"]
_ENDS: Final[Mapping[str, Ended]] = {
    "succeeded": "succeeded",
    "success": "succeeded",
    "ok": "succeeded",
    "failed": "failed",
    "failure": "failed",
    "error": "failed",
    "rejected": "rejected",
    "refused": "rejected",
}
"""What devices call the ends of a command."""


class BadMessage(Exception):
    """No message of the protocol; its text is one of a few, and repeats nothing of the message."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The device lives."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the device's log."""

    level: str
    """As the device calls it; `info` where it says nothing."""
    text: str


@dataclass(frozen=True, slots=True)
class LogLines:
    """Lines of the device's log."""

    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class SentPicture:
    """A picture of its camera."""

    payload: str
    """Base64, perhaps as a data URL."""
    command: str | None
    """The id of the command that asked for it, where the device says so."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The device introduces itself."""

    firmware: str | None
    capabilities: tuple[str, ...]
    """Such as `ack`: it acknowledges commands."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The device has a command."""

    id: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What the device made of a command."""

    id: str
    state: Ended
    reason: str | None
    result: Any
    """JSON."""


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """Somebody in the cabin called for help."""

    detail: str


@dataclass(frozen=True, slots=True)
class AlarmEnded:
    """The emergency is over."""

    detail: str


@dataclass(frozen=True, slots=True)
class StateReport:
    """What the lift is doing, with BACnet's names."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message of a type that this version does not know."""


Body = (
    Heartbeat | LogLines | SentPicture | Hello | Acknowledgement | CommandResult | AlarmRaised | AlarmEnded
    | StateReport | UnknownMessage
)  # fmt: skip

HEARTBEAT: Final = Heartbeat()
UNKNOWN: Final = UnknownMessage()


@dataclass(slots=True)
class Incoming:
    """A message of a device."""

    device: str
    """Whom it says that it is from; empty: it says nothing."""
    body: Body


def parse(text: str | bytes) -> Incoming:
    """Return the message in a frame.

    Raises:
        BadMessage: it is none.
    """
    try:
        fields = from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError:  # also of one that is nested too deeply
        raise BadMessage("no JSON") from None
    if type(fields) is not dict:
        raise BadMessage("no JSON object")
    device = fields.get("device_id") or ""
    kind = fields.get("type")
    if kind == "heartbeat":
        return Incoming(device if type(device) is str else _text(device, SHORT), HEARTBEAT)
    reader = _READERS.get(kind) if type(kind) is str else None
    if reader is not _picture and len(text) > LONGEST:
        raise BadMessage("too large")
    return Incoming(_text(device, SHORT), UNKNOWN if reader is None else reader(fields))


def command(command_id: str, name: str, data: Any, deadline: datetime) -> str:
    """Return the message that sends a command; `deadline` is a moment in UTC."""
    until = deadline.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document = {"type": "command", "id": command_id, "payload": name, "data": data, "deadline": until}
    return json.dumps(document, separators=(",", ":"))


def _log(fields: dict[str, Any]) -> LogLines:
    payload = fields.get("payload")
    if payload is None:
        payload = fields
    found = payload if isinstance(payload, list) else [payload]
    return LogLines(tuple(_line(each, fields) for each in found[:LINES]))


def _line(line: Any, fields: dict[str, Any]) -> LogLine:
    if not isinstance(line, dict):
        return LogLine(_text(fields.get("level") or "info", SHORT), _text(line, TEXT_LONGEST))
    text = _first(line, "message", "text", "msg", "log")
    if text is None:
        text = {name: value for name, value in line.items() if name not in {"type", "device_id", "level"}}
    return LogLine(_text(line.get("level") or fields.get("level") or "info", SHORT), _text(text, TEXT_LONGEST))


def _picture(fields: dict[str, Any]) -> SentPicture:
    within = _within(fields)
    payload = fields["payload"] if isinstance(fields.get("payload"), str) else _first(within, "image", "data", "base64")
    if not isinstance(payload, str) or not payload:
        raise BadMessage("a snapshot without a picture")
    return SentPicture(payload, _id(fields, within))


def _hello(fields: dict[str, Any]) -> Hello:
    within = _within(fields)
    firmware = _first(within, "firmware", "version")
    listed = within.get("capabilities")
    capabilities = listed[:CAPABILITIES] if isinstance(listed, list) else []
    return Hello(
        None if firmware is None else _text(firmware, SHORT),
        tuple(dict.fromkeys(each[:SHORT] for each in capabilities if isinstance(each, str))),
    )


def _acknowledgement(fields: dict[str, Any]) -> Acknowledgement:
    found = _id(fields, _within(fields))
    if found is None:
        raise BadMessage("a command_ack without id")
    return Acknowledgement(found)


def _result(fields: dict[str, Any]) -> CommandResult:
    within = _within(fields)
    found = _id(fields, within)
    if found is None:
        raise BadMessage("a command_result without id")
    said = _first(within, "state", "status")
    state = _ENDS.get(said.lower()) if isinstance(said, str) else None
    if state is None:
        raise BadMessage("a command_result without state")
    reason = _first(within, "reason", "error", "message")
    result, fits = _bounded(within.get("result"))
    if not fits:
        reason = f"its result has more than {DATA_LONGEST} bytes" if reason is None else reason
    return CommandResult(found, state, None if reason is None else _text(reason, REASON_LONGEST), result)


def _raised(fields: dict[str, Any]) -> AlarmRaised:
    return AlarmRaised(_detail(fields))


def _ended(fields: dict[str, Any]) -> AlarmEnded:
    return AlarmEnded(_detail(fields))


def _state(fields: dict[str, Any]) -> StateReport:
    within = _within(fields)
    own = {"type", "device_id"} if within is fields else set()
    data, fits = _bounded({name: value for name, value in within.items() if name not in own})
    if not fits:
        raise BadMessage("a state of more than 4 KB")
    return StateReport(cast("dict[str, Any]", data))


_READERS: Final[Mapping[str, Callable[[dict[str, Any]], Body]]] = {
    "log": _log,
    "snapshot": _picture,
    "hello": _hello,
    "command_ack": _acknowledgement,
    "command_result": _result,
    "alarm": _raised,
    "alarm_end": _ended,
    "state": _state,
}
"""What reads the fields of each type but the heartbeat."""
TYPES: Final = ("heartbeat", *_READERS)
"""Of the messages that devices send."""


def _within(fields: dict[str, Any]) -> dict[str, Any]:
    """Where a message has its fields: in an object `payload`, or beside `type`."""
    payload = fields.get("payload")
    return payload if isinstance(payload, dict) else fields


def _first(fields: Mapping[str, Any], *names: str) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _id(fields: dict[str, Any], within: dict[str, Any]) -> str | None:
    found = _first(within, "id", "command_id")
    if found is None:
        found = _first(fields, "id", "command_id")
    if found is None and fields.get("type") == "command_ack":
        found = fields.get("payload")
    return found if isinstance(found, str) and _IDENTIFIER.fullmatch(found) else None


def _detail(fields: dict[str, Any]) -> str:
    payload = fields.get("payload")
    if isinstance(payload, dict):
        payload = _first(payload, "detail", "reason", "message")
    found = payload if payload is not None else _first(fields, "detail", "reason", "message")
    return "" if found is None else _text(found, REASON_LONGEST)


def _text(value: Any, longest: int) -> str:
    """A text of at most so many bytes of UTF-8; of anything else its JSON."""
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False)
        except ValueError:  # a number of more than 4,300 digits
            value = "?"
    short = cast("str", value[:longest])
    return short if short.isascii() else short.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")


def _bounded(value: Any) -> tuple[Any, bool]:
    """The value and True; None and False where its JSON is too long."""
    try:
        fits = len(json.dumps(value)) <= DATA_LONGEST
    except ValueError:  # a number of more than 4,300 digits
        fits = False
    return (value, True) if fits else (None, False)
