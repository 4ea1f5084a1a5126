"""ElevatorDevice: a terminal in a lift, and the emergency telephone of its cabin."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.conditions import ConditionType, Truth
from dialplane.resources.distinct import Distinct
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.extension import NAME_BYTES
from dialplane.resources.fields import DISTINCT, DisplayName, ExtensionNumber, HttpUrl, SecretKeyRef, Timestamp
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind, condition_column
from dialplane.resources.rule import Rule
from dialplane.resources.status import Status
from dialplane.resources.text import Text

CommandName = Annotated[
    str,
    Text("a command: up to 64 letters, digits and _ . -, such as REBOOT", r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$", 64),
]
"""What the firmware calls a command."""

CommandKind = Literal["physical", "safe"]


class Heartbeat(Part):
    """How often a device speaks, and how long its silence may last."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="heartbeat-timeout",
            message="timeoutSeconds must be longer than intervalSeconds: a device speaks once an interval",
            field="timeoutSeconds",
            cel="self.timeoutSeconds > self.intervalSeconds",
            holds=lambda heartbeat: heartbeat.timeout_seconds > heartbeat.interval_seconds,
        ),
    )

    interval_seconds: Annotated[int, Field(ge=1, le=3600)] = 5
    """How often the device sends a heartbeat."""
    timeout_seconds: Annotated[int, Field(ge=2, le=86_400)] = 30
    """After how long a silence it is offline; every message counts."""


class AllowedCommand(Part):
    """A command that may be sent to the device."""

    name: CommandName
    """What the firmware calls it, such as `REBOOT`."""
    kind: CommandKind
    """`physical` moves or switches something: it is sent at most once, never to a device that is offline, and never
    late. `safe` may be kept for a device that is offline, and sent again."""
    allow_unacknowledged: bool = False
    """Send a physical command also to a device that acknowledges none (old firmware): whether it was carried out stays
    unknown."""


class TestCall(Part):
    """The automatic test call of the emergency telephone."""

    __test__: ClassVar[bool] = False  # its name is the field's; pytest would collect it

    max_age_hours: Annotated[int, Field(ge=1, le=8760)] = 72
    """How old the last test call may be, in hours. EN 81-28 asks for one every three days."""
    number: ExtensionNumber
    """The number that the cabin's telephone dials for it, such as `"770"`; several devices may share one."""


class Snapshot(Part):
    """Pictures of the device's camera."""

    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long pictures are kept, in days."""
    most: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many pictures of this device are kept: for a new one the oldest goes."""
    on_alarm: bool = False
    """Ask for a picture when an alarm is raised. Tell people where the law asks for it."""


class DeviceCallback(Part):
    """Where a program is told of this device by `POST`, in order, and again until it answers."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="device-callback-any",
            message="set statusUrl, snapshotUrl or both",
            field="",
            cel="has(self.statusUrl) || has(self.snapshotUrl)",
            holds=lambda callback: callback.status_url is not None or callback.snapshot_url is not None,
        ),
    )

    status_url: HttpUrl | None = None
    """Told when the device goes online or offline, such as `https://backend.example.com/api/device/status`."""
    snapshot_url: HttpUrl | None = None
    """Told of each picture, such as `https://backend.example.com/api/v1/devices/remote/snapshot/callback`."""
    secret_ref: SecretKeyRef | None = None
    """The secret that requests are signed with, in headers alone: `X-Timestamp` (seconds since 1970) and `X-Signature`
    (`sha256=` and the hexadecimal HMAC-SHA256 of timestamp, a dot and the body)."""


class ElevatorDeviceSpec(Spec):
    """A terminal in a lift."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="device-location",
            message=f"Asterisk keeps {NAME_BYTES} bytes of a name: shorten it (letters beyond a to z take 2 to 4 each)",
            field="location",
            cel=f"size(bytes(self.location)) <= {NAME_BYTES}",
            holds=lambda spec: len(spec.location.encode()) <= NAME_BYTES,
        ),
        Rule(
            id="device-telephone",
            message="testCall and operators need emergencyExtension: they speak of the cabin's telephone",
            field="emergencyExtension",
            cel="has(self.emergencyExtension) || (!has(self.testCall) && self.operators.size() == 0)",
            holds=lambda spec: spec.emergency_extension is not None or (spec.test_call is None and not spec.operators),
        ),
    )

    enabled: bool = True
    """Let the device in. `false` refuses it like a stranger; its telephone stays in service."""
    location: DisplayName
    """Where the lift is, such as `Town hall, lift 2`: what those see who answer its emergency call. 64
    characters and 79 bytes of UTF-8 at most."""
    token_secret_ref: SecretKeyRef | None = None
    """The token that the device shows, 16 characters at least. Without it the device has the token that
    `dialplane device token NAME` or the API made for it, of which only a digest is kept."""
    heartbeat: Heartbeat = Heartbeat()
    """How often it speaks, and how long its silence may last."""
    allowed_commands: Annotated[tuple[AllowedCommand, ...], Field(max_length=64), Distinct(keys=("name",))] = ()
    """What may be sent to it; nothing else is."""
    emergency_extension: ExtensionNumber | None = None
    """The number of the Extension that is the telephone in the cabin. Calls from it raise an alarm, and calls to it are
    put through only during an alarm."""
    operators: Annotated[tuple[ExtensionNumber, ...], Field(max_length=32), DISTINCT] = ()
    """Numbers of the extensions that may call the cabin at any time."""
    test_call: TestCall | None = None
    """The test call that the telephone makes by itself. Without it none is expected."""
    snapshot: Snapshot = Snapshot()
    """Pictures of its camera."""
    callback: DeviceCallback | None = None
    """A program that is told of this device."""


class LastSnapshot(Part):
    """The newest picture."""

    url: Annotated[str, Field(max_length=2048)]
    """Where it is; the address asks for a token, or is good for a while."""
    taken_at: Timestamp
    """When it came."""


class AlarmStatus(Part):
    """The emergency."""

    state: Literal["Raised", "Answered", "Ended"]
    """`Raised`: somebody called for help. `Answered`: somebody spoke with them. `Ended`: it was declared over."""
    since: Timestamp
    """When the state began."""


class ElevatorDeviceStatus(Status):
    """What is known of the device."""

    connected_at: Timestamp | None = None
    """When its connection was opened."""
    last_seen_at: Timestamp | None = None
    """When it last spoke, to the minute."""
    address: Annotated[str, Field(max_length=64)] | None = None
    """Where it connects from."""
    firmware: Annotated[str, Field(max_length=64)] | None = None
    """What it says that it runs."""
    last_snapshot: LastSnapshot | None = None
    """The newest picture."""
    last_test_call_at: Timestamp | None = None
    """When its telephone last made a test call."""
    alarm: AlarmStatus | None = None
    """The last emergency."""
    commands_queued: Annotated[int, Field(ge=0)] | None = None
    """Commands that have waited for the device for more than ten seconds."""


EVENTS: Final = (
    EventType(
        name="device.offline",
        title="Lift {name} is offline",
        severity=Severity.FAILURE,
        after=Truth.FALSE,
        condition=ConditionType.ONLINE,
    ),
    EventType(
        name="device.online",
        title="Lift {name} is online again",
        severity=Severity.SUCCESS,
        after=Truth.TRUE,
        condition=ConditionType.ONLINE,
    ),
    EventType(name="elevator.alarm", title="Emergency in lift {name}", severity=Severity.FAILURE, folded=False),
    EventType(name="elevator.testcall.overdue", title="Lift {name} made no test call", severity=Severity.WARNING),
)


def _reported(status: Mapping[str, Any]) -> bool:
    return bool(status.get("conditions"))


KIND: Final = Kind(
    name="ElevatorDevice",
    plural="elevatordevices",
    singular="elevatordevice",
    short_names=("lift",),
    spec=ElevatorDeviceSpec,
    status=ElevatorDeviceStatus,
    columns=(
        Column("Location", ".spec.location"),
        condition_column("Online", "Online"),
        condition_column("Phone", "PhoneReachable"),
        condition_column("Test-Call", "TestCallCurrent"),
        Column("Alarm", ".status.alarm.state"),
        READY,
        AGE,
        Column("Last-Seen", ".status.lastSeenAt", "date", wide=True),
        Column("Address", ".status.address", wide=True),
        Column("Firmware", ".status.firmware", wide=True),
        Column("Queued", ".status.commandsQueued", "integer", wide=True),
        *WHY,
    ),
    description="A terminal in a lift that keeps a connection, and the emergency telephone of its cabin.",
    service="elevator",
    events=EVENTS,
    begun=_reported,
)
