"""What a Dongle's context wrote into Asterisk's database, line by line: pure.

The lines are those of `plan/dialplan/modems.py`, which says why they are so. Nothing here raises: a line that cannot be
read is `Damaged`, so that it cannot hold up the lines after it.
"""

import base64
import binascii
import codecs
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dialplane.plan.dialplan.modems import MESSAGES, REPORTS

__all__ = ["MESSAGES", "REPORTS", "Damaged", "Message", "Report"]

CUT: Final = 4095
"""Characters that Asterisk expands of one variable: a text of that length was longer. Whole Base64 never is."""

_LATEST: Final = 253_402_300_799
_DONGLE: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?")
_MESSAGE_PARTS: Final = 4
_REPORT_PARTS: Final = 9


@dataclass(frozen=True, slots=True)
class Message:
    """A text message received."""

    spool_id: str
    value: str
    """The line itself."""
    dongle: str
    sender: str
    text: str
    at: datetime
    """When it was spooled, by Asterisk's clock."""
    truncated: bool
    """Asterisk cut it: what is there is its beginning, in whole characters."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the network says of a message that was sent."""

    spool_id: str
    dongle: str
    number: str
    """The number that the message went to."""
    payload: str
    """What `DongleSendSMS` was given, so that the message is found again."""
    success: bool
    type: str
    """`i`: the network took it (or not); `e`: from end to end."""
    at: datetime
    """When it was spooled, by Asterisk's clock."""
    service_time: str
    """`SMS_REPORT_TS`, in the driver's words."""
    discharge_time: str
    """`SMS_REPORT_DT`, in the driver's words."""
    detail: str
    """`SMS_REPORT`: status numbers, in the driver's words."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that cannot be read, and why."""

    spool_id: str
    value: str
    why: str


class _UnreadableError(ValueError):
    pass


def message(spool_id: str, value: str) -> Message | Damaged:
    """A line of `dpsms`: `EPOCH|DONGLE|sender|text`, the last two in Base64."""
    try:
        at, dongle, (sender, text) = _split(value, _MESSAGE_PARTS)
        truncated = len(text) >= CUT
        return Message(
            spool_id, value, dongle, _decoded(sender), _decoded(text, cut=truncated), at, truncated=truncated
        )
    except _UnreadableError as error:
        return Damaged(spool_id, value, str(error))


def report(spool_id: str, value: str) -> Report | Damaged:
    """A line of `dpreport`: `EPOCH|DONGLE|number|payload|success|type|TS|DT|report`, all but two in Base64."""
    try:
        at, dongle, parts = _split(value, _REPORT_PARTS)
        number, payload, success, kind, service_time, discharge_time, detail = map(_decoded, parts)
    except _UnreadableError as error:
        return Damaged(spool_id, value, str(error))
    return Report(spool_id, dongle, number, payload, success == "1", kind, at, service_time, discharge_time, detail)


def _split(value: str, number: int) -> tuple[datetime, str, list[str]]:
    parts = value.split("|")
    if len(parts) != number:
        raise _UnreadableError(f"it has {len(parts)} parts, not {number}")
    epoch, dongle, *rest = parts
    if not re.fullmatch("[0-9]{1,12}", epoch) or int(epoch) > _LATEST:
        raise _UnreadableError("its time is no number of seconds")
    if not _DONGLE.fullmatch(dongle):
        raise _UnreadableError("it names no Dongle")
    return datetime.fromtimestamp(int(epoch), UTC), dongle, rest


def _decoded(encoded: str, *, cut: bool = False) -> str:
    """The text of Base64; bytes that are not UTF-8 become U+FFFD, half a character at a cut is left out."""
    if cut:
        encoded = encoded[: len(encoded) - 1] if len(encoded) % 4 == 1 else encoded
        encoded += "=" * (-len(encoded) % 4)
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _UnreadableError("a part is not Base64") from None
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not cut)
