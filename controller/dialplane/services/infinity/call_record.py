"""What the platform says of a call, and whether it is one of ours.

Pure. The fields are those of the platform's call record push (its public documentation), which come as numbers or as
text; `event`, `recordurl` and `tenant_id` are our own additions. Fields beyond those are kept and mean nothing.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from dialplane.services.infinity.callback import CallbackRefused
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.leases import CallRecord, Change
from dialplane.services.infinity.tenant import Tenant

LARGEST: Final = 2**31 - 1
TIME: Final = "%Y-%m-%d %H:%M:%S"
_NUMBER: Final = re.compile("[+]?[0-9]{2,20}")
_DAY: Final = timedelta(days=1)
DEEPEST: Final = 32
"""Levels of lists and objects in a body. The platform's records have one; some hundred of them no answer of ours could
repeat, so that one such callback would hide all others that are kept aside."""
NEVER: Final = frozenset({"", "0", "0000-00-00 00:00:00"})
"""What stands for a time that never came."""

UNKNOWN_CALL: Final = "no call of this tenant has the id in memberid"


class Malformed(Exception):
    """The body is no call record; the text says why, and repeats nothing of it."""

    def __init__(self, text: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.fields = dict(fields or {})
        """What is wrong with which field."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a callback tells."""

    event: Literal["answered", "ended"]
    call: str
    """`memberid`: the id of our call, as we gave it with the request; empty where it is none of ours."""
    extension: str
    destination: str
    tenant_id: str
    supplier_id: str
    """`companycode`."""
    caller_number: str
    """`disnumber`: the number that the customer saw."""
    answered: bool
    answered_after: timedelta | None
    """From the beginning of the call to its answer. The platform's own times know no zone: only this counts."""
    uuid: str | None
    ring_seconds: int | None
    talk_seconds: int | None
    hangup_cause: int | None
    recording: str | None
    """Where the recording is: `recordurl`, else the host and the file's name."""
    body: dict[str, Any]
    """All of it."""


def told(body: bytes) -> Told:
    """Read a body.

    Raises:
        Malformed: it is no JSON object, or a field is not what it is to be.
    """
    whole = _object(body)
    try:
        read = _Record.model_validate(whole)
    except ValidationError as error:
        wrong = {".".join(map(str, found["loc"])): found["msg"] for found in error.errors(include_url=False)}
        raise Malformed("it is no call record", wrong) from None
    return Told(
        event=read.event or "ended",
        call=read.memberid,
        extension=read.extnumber,
        destination=read.destnumber,
        tenant_id=read.tenant_id,
        supplier_id=read.companycode,
        caller_number=read.disnumber,
        answered=read.event == "answered" or read.answertime is not None or bool(read.billsec),
        answered_after=read.answertime - read.starttime if read.answertime and read.starttime else None,
        uuid=read.uuid or None,
        ring_seconds=read.duration,
        talk_seconds=read.billsec,
        hangup_cause=read.hangupcause,
        recording=_recording(read),
        body=whole,
    )


def of_its_tenant(tenants: Iterable[Tenant], said: Told) -> tuple[Tenant, ...]:
    """Of the tenants that it may come from, those that it names.

    Raises:
        CallbackRefused: 403 where it names another one.
    """
    named = tuple(tenant for tenant in tenants if _names(said, tenant))
    if not named:
        raise CallbackRefused(
            HTTPStatus.FORBIDDEN, "tenant_id or companycode is another tenant's than the one whose secret is proven"
        )
    return named


def strange(said: Told, call: Call, tenants: Iterable[Tenant]) -> str | None:
    """Why it belongs to no call of these tenants; None where it belongs to `call`, which has its id."""
    if call.tenant not in {tenant.name for tenant in tenants}:
        return UNKNOWN_CALL
    if not _same(said.extension, call.number):
        return "the call with the id in memberid went over another extension than extnumber"
    if not _same(said.destination, call.destination):
        return "the call with the id in memberid went to another number than destnumber"
    return None


def known(said: Told, call: Call) -> bool:
    """Whether it tells nothing new: it came before, or what came before says more."""
    return call.record is not None or (said.event == "answered" and call.state == "active")


def change(said: Told, call: Call, now: datetime) -> Change:
    """What it says of its call."""
    record = CallRecord(
        body=said.body,
        answered=said.answered,
        uuid=said.uuid,
        ring_seconds=said.ring_seconds,
        talk_seconds=said.talk_seconds,
        hangup_cause=said.hangup_cause,
        recording=said.recording,
        answered_at=call.answered_at or _answered_at(said, call, now),
    )
    shown = said.caller_number if _NUMBER.fullmatch(said.caller_number) else None
    return Change(call.id, "active" if said.event == "answered" else "released", record=record, caller_number=shown)


def _answered_at(said: Told, call: Call, now: datetime) -> datetime | None:
    """When somebody answered, by our own clock; None where nobody did."""
    if said.event == "answered" or not said.answered:
        return now if said.answered else None
    begun = call.dialing_at or call.reserved_at
    after = timedelta(seconds=said.ring_seconds or 0) if said.answered_after is None else said.answered_after
    return min(begun + after, now) if timedelta(0) <= after <= _DAY else begun


def _same(said: str, number: str) -> bool:
    """Whether it is this number, perhaps without what a number that is sent as a JSON number loses."""
    digits = number.lstrip("+")
    return said in {number, digits, digits.lstrip("0") or "0"}


def _names(said: Told, tenant: Tenant) -> bool:
    spec = tenant.spec
    return said.tenant_id in {"", spec.tenant_id} and spec.supplier_id in {None, said.supplier_id}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body, parse_constant=_no_number)
        # Half a surrogate pair is no character: from here on it is a question mark.
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"), parse_constant=_no_number)
    except (ValueError, RecursionError):  # no UTF-8 as well, and numbers of thousands of digits
        raise Malformed("it is no JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise Malformed("it is no JSON object")
    if _is_deep(found):
        raise Malformed(f"it is nested deeper than {DEEPEST} levels")
    return found


def _is_deep(whole: object) -> bool:
    level = [whole]
    for _ in range(DEEPEST + 1):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for values in inner for value in values]
    return bool(level)


def _no_number(_: str) -> float:
    raise ValueError


def _text(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("told", "must be text or a whole number")
    text = str(value).strip()
    if any(ord(character) < ord(" ") for character in text):
        raise PydanticCustomError("told", "must have no control characters")
    return text


def _whole(value: object) -> object:
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (text := value.strip()).isascii() and text.lstrip("-").isdigit() and len(text) < 12:  # noqa: PLR2004 -- more digits than LARGEST has
        try:
            return int(text)
        except ValueError:  # such as --1
            pass
    raise PydanticCustomError("told", "must be a whole number")


def _time(value: object) -> object:
    text = _text(value)
    if text in NEVER:
        return None
    try:
        return datetime.strptime(str(text), TIME)  # noqa: DTZ007 -- the platform names no zone; differences alone count
    except ValueError:
        raise PydanticCustomError("told", "must be a time such as 2018-03-14 12:18:21") from None


_Word = Annotated[str, Field(max_length=64), BeforeValidator(_text)]
_Name = Annotated[str, Field(max_length=1024), BeforeValidator(_text)]
_Seconds = Annotated[int | None, Field(ge=0, le=LARGEST), BeforeValidator(_whole)]
_Cause = Annotated[int | None, Field(ge=-LARGEST, le=LARGEST), BeforeValidator(_whole)]
_Time = Annotated[datetime | None, BeforeValidator(_time)]


class _Record(BaseModel):
    """The fields that mean something to us."""

    model_config = ConfigDict(extra="ignore")

    event: Literal["answered", "ended"] | None = None
    tenant_id: _Word = ""
    companycode: _Word = ""
    memberid: _Word = ""
    extnumber: _Word = ""
    destnumber: _Word = ""
    disnumber: _Word = ""
    uuid: _Word = ""
    starttime: _Time = None
    answertime: _Time = None
    duration: _Seconds = None
    billsec: _Seconds = None
    hangupcause: _Cause = None
    downloadip: _Name = ""
    recordfilename: _Name = ""
    recordurl: _Name = ""


def _recording(read: _Record) -> str | None:
    parts = [part for part in (read.downloadip, read.recordfilename.lstrip("/")) if part]
    if "://" in read.recordfilename:
        parts = [read.recordfilename]
    return read.recordurl or (("/".join(parts) or None) if read.recordfilename else None)


def schema() -> dict[str, Any]:
    """The fields that mean something to us, as JSON Schema; there may be others."""
    word = {"type": ["string", "integer", "null"]}
    return {
        "type": "object",
        "properties": dict.fromkeys(_Record.model_fields, word) | {"event": {"enum": ["answered", "ended", None]}},
    }
