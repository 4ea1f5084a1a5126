"""What `/devices` is asked and says: the names of its fields are those that callers of such gateways know."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from dialplane.resources.elevator_device import CommandKind, CommandName
from dialplane.resources.extension import NAME_BYTES
from dialplane.resources.fields import DisplayName, ObjectName
from dialplane.services.elevator.api.access import NAME
from dialplane.services.elevator.api.limits import BULK_MOST, DATA_BYTES, DATA_DEPTH
from dialplane.services.elevator.tables import commands, journal, telephones

PHYSICAL_SECONDS: Final = 30
"""The longest time in which a physical command is sent."""
SAFE_SECONDS: Final = 3600
"""How long a safe command waits for its device, unless its caller says otherwise."""
LONGEST_SECONDS: Final = 7 * 86_400
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
EXAMPLE: Final = "town-hall-2"


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("devices", "{message}", {"message": message})


def _fitting(location: str) -> str:
    if len(location.encode()) > NAME_BYTES:
        raise _wrong(f"it has more than {NAME_BYTES} bytes of UTF-8: shorten it")
    return location


def _bounded(data: Any) -> Any:
    """What goes to the device as it is: JSON in the strict sense, of a bounded size and depth."""
    if _depth(data) > DATA_DEPTH:
        raise _wrong(f"it is deeper than {DATA_DEPTH} arrays and objects in each other")
    try:
        size = len(json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except ValueError:  # UnicodeEncodeError among them
        raise _wrong("it is no JSON: a number is not finite, or a text holds half a character") from None
    if size > DATA_BYTES:
        raise _wrong(f"it has more than {DATA_BYTES:,} bytes")
    return data


def _depth(value: Any) -> int:
    """Return how deep a value is, by levels: nothing here may be as deep as what is looked at."""
    deep, level = 0, [value]
    while level and deep <= DATA_DEPTH:
        inside = [each for each in level if isinstance(each, dict | list)]
        level = [child for each in inside for child in (each.values() if isinstance(each, dict) else each)]
        deep += bool(inside)
    return deep


def _kind(physical: bool) -> CommandKind:
    return "physical" if physical else "safe"


def _whole(value: Any) -> Any:
    """Without halves of characters, which a device may have sent and no answer can hold."""
    return json.loads(_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))


Location = Annotated[
    DisplayName, AfterValidator(_fitting), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64})
]
Data = Annotated[Any, AfterValidator(_bounded)]
FromDevice = Annotated[Any, BeforeValidator(_whole)]
RequestKey = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,160}$")]
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=63)]


class _Request(BaseModel):
    """A body; fields that mean nothing here are refused."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class _DeviceAnswer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)


class NewDevice(BaseModel):
    """A device that registers itself."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"location": "Town hall, lift 2", "profile": EXAMPLE}]},
    )

    location: Location
    """Where it is: 64 characters and 79 bytes of UTF-8 at most."""
    profile: ObjectName | None = None
    """The ElevatorDevice whose settings it has: heartbeat, commands, pictures, callback. Without one no command may be
    sent to it."""


class DeviceToken(_DeviceAnswer):
    """The token of a device, said this once."""

    device_id: str
    """The id that the device connects with."""
    token: str
    """The token that it shows. Only a digest of it is kept here."""


class RegisteredDevice(DeviceToken):
    """A device that is registered."""

    location: str
    """Where it is."""
    profile: str | None
    """The ElevatorDevice whose settings it has."""


class CommandWish(_Request):
    """What to send."""

    name: CommandName
    """What the firmware calls the command, such as `REBOOT`; one of the device's `allowedCommands`."""
    data: Data = None
    """What goes with it: any JSON, 4,096 bytes and 16 levels at most."""
    deadline_seconds: Annotated[int | None, Field(ge=1, le=LONGEST_SECONDS)] = None
    """It is not sent after that. A physical command has 30 at most, and by default; a safe one by default 3,600."""
    request_key: RequestKey | None = None
    """Your own name for this command, as the header `Idempotency-Key`: sent again with the same one, it is the same."""


class NewDeviceCommand(CommandWish):
    """A command for one device."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "REBOOT", "data": {"delay": 5}, "deadline_seconds": 20}]}
    )


class BulkCommand(CommandWish):
    """A command for many devices, each of which is named."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"device_ids": [EXAMPLE, "town-hall-3"], "name": "SNAPSHOT"}]}
    )

    device_ids: Annotated[list[Name], Field(min_length=1, max_length=BULK_MOST)]
    """The devices; one that is named twice gets it once."""


class NestedCommand(BaseModel):
    """A command as the devices get it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: Literal["command"] = "command"
    """Nothing else is sent to devices."""
    payload: CommandName
    """The command's name."""
    data: Data = None
    """What goes with it."""


class SendCommand(BaseModel):
    """A command in either of the two shapes that callers know: bare, or below `command`."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"device_id": EXAMPLE, "type": "command", "payload": "REBOOT", "data": {"delay": 5}},
                {"device_id": EXAMPLE, "command": {"type": "command", "payload": "REBOOT"}},
            ]
        },
    )

    device_id: Name
    """The device."""
    type: Literal["command"] = "command"
    """Bare: nothing else is sent to devices."""
    payload: CommandName | None = None
    """Bare: the command's name."""
    data: Data = None
    """Bare: what goes with it."""
    command: NestedCommand | None = None
    """Nested: the command; what stands beside it does not count."""

    @property
    def wanted(self) -> NestedCommand | None:
        """The command, in whichever shape; None: there is none."""
        if self.command is None and self.payload is not None:
            return NestedCommand(payload=self.payload, data=self.data)
        return self.command


class SentCommand(_DeviceAnswer):
    """A command that was taken for a device that is connected."""

    status: Literal["sent", "queued"]
    """`sent`: it went out; `queued`: it goes out within seconds, or not at all."""
    id: str
    """The command's id."""


class DeviceCommand(_DeviceAnswer):
    """A command, as it is by now."""

    id: str
    """`cmd-…`; the device knows it by this id."""
    device_id: Annotated[str, Field(validation_alias="device")]
    """The device."""
    name: str
    """What the firmware calls it."""
    kind: Annotated[CommandKind, Field(validation_alias="physical"), BeforeValidator(_kind)]
    """`physical`: sent once at most. `safe`: sent again where its connection ended without an answer."""
    data: Any
    """What goes with it."""
    state: commands.CommandState
    """`queued`, `sent`, `acknowledged`, or how it ended: `succeeded`, `failed` and `rejected` by the device's word;
    `expired`: never sent; `unknown`: nobody knows; `delivered`: sent to a device that acknowledges nothing."""
    reason: str | None
    """Why it ended so."""
    result: FromDevice
    """What the device answered."""
    sends: int
    """How often it was sent."""
    asked_by: Annotated[str, Field(validation_alias="token")]
    """The name of the token that it was asked for with."""
    queued_at: datetime
    """When it was asked for."""
    deadline: datetime
    """It is not sent after that."""
    sent_at: datetime | None
    """When it was sent last."""
    acknowledged_at: datetime | None
    """When the device said that it has it."""
    ended_at: datetime | None
    """When it ended."""


class DeviceCommandPage(_DeviceAnswer):
    """Commands, the newest first."""

    items: list[DeviceCommand]
    """The commands."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class BulkAnswer(_DeviceAnswer):
    """What became of the command for one device."""

    device_id: str
    """The device."""
    status: Literal[202, 403, 404, 409]
    """As a request for this device alone would have been answered."""
    id: str | None = None
    """Of the command, where there is one."""
    state: commands.CommandState | None = None
    """Of that command."""
    detail: str | None = None
    """Why there is none."""


class BulkAnswers(_DeviceAnswer):
    """What became of a command for many devices."""

    items: list[BulkAnswer]
    """One for each device, in the order in which they were named."""
    queued: int
    """How many have a command."""


class DeviceAlarm(_DeviceAnswer):
    """An emergency."""

    state: telephones.AlarmState
    """`Raised`: somebody called for help. `Answered`: somebody spoke with them. `Ended`: it was declared over."""
    since: datetime
    """When the state began."""


class AllowedCommandKind(_DeviceAnswer):
    """A command that may be sent."""

    name: str
    """What the firmware calls it."""
    kind: CommandKind
    """`physical` or `safe`."""


class LastPicture(_DeviceAnswer):
    """The newest picture of a device."""

    url: str
    """Where it is: the address stays the same, and asks for a token that may read the device."""
    taken_at: datetime
    """When it came."""


class DeviceState(_DeviceAnswer):
    """A device in a lift."""

    id: str
    """Its id on the wire."""
    location: str
    """Where it is."""
    registered: bool
    """It registered itself; otherwise a manifest declares it."""
    profile: str | None
    """Of one that registered itself: the ElevatorDevice whose settings it has."""
    enabled: bool
    """Whether it is let in."""
    online: bool | None
    """Whether it was heard within its timeout; null: nobody has looked yet."""
    connected_at: datetime | None
    """When its connection was opened; null where it has none."""
    last_seen_at: datetime | None
    """When it was last heard; of one that is connected to the minute."""
    address: str | None
    """Where it connects from, or did."""
    firmware: FromDevice
    """What it says that it runs."""
    capabilities: FromDevice
    """What it says that it can do, such as `ack`."""
    allowed_commands: list[AllowedCommandKind]
    """What may be sent to it."""
    commands_queued: int
    """Commands that wait for it."""
    emergency_extension: str | None
    """The telephone in the cabin."""
    last_test_call_at: datetime | None
    """When that last made a test call."""
    alarm: DeviceAlarm | None
    """The last emergency."""
    last_snapshot: LastPicture | None
    """The newest picture of its camera."""


class DevicePage(_DeviceAnswer):
    """Devices by id."""

    items: list[DeviceState]
    """The devices."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class Picture(_DeviceAnswer):
    """A picture of a device's camera."""

    device_id: str
    """The device."""
    url: str
    """Where it is: the address asks for no token, and is good for six days."""
    taken_at: datetime
    """When it came."""
    media_type: str
    """`image/jpeg` or `image/png`."""
    size: int
    """Bytes."""


class PicturePage(_DeviceAnswer):
    """Pictures, the newest first."""

    items: list[Picture]
    """The pictures."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""


class JournalEntry(_DeviceAnswer):
    """Something that happened to a device, or that it said."""

    at: datetime
    """When."""
    type: journal.EntryType
    """`log`: a line of the device itself; anything else was noted here."""
    data: FromDevice
    """What it is about; of `log` its `level` and `text`."""


class DeviceJournalPage(_DeviceAnswer):
    """Entries of a journal, the newest first."""

    items: list[JournalEntry]
    """The entries."""
    next: str | None
    """The `cursor` of the page after this; null at the end."""
