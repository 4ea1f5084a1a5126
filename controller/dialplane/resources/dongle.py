"""Dongle: a GSM modem, for calls and text messages."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.conditions import ConditionType, Truth
from dialplane.resources.destination import Destination
from dialplane.resources.event_type import EventType, Severity
from dialplane.resources.fields import DISTINCT, Language, ObjectName
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind, condition_column
from dialplane.resources.rule import Rule
from dialplane.resources.status import Status
from dialplane.resources.text import NotThisError, Text

Driver = Literal["chan_dongle", "chan_quectel"]


def _check_digit(imei: str) -> None:
    """The last digit of an IMEI is made of the others (3GPP TS 23.003, annex B); some modems send a 0 in its place."""
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(imei[:-1]))
    wanted = str(-total % 10)
    if imei[-1] not in {wanted, "0"}:
        raise NotThisError(
            f"an IMEI: after these digits the last one, the check digit, is {wanted}; compare them with the modem's "
            "(one that really says so goes by imsi or dataPort)"
        )


Imei = Annotated[str, Text("an IMEI: the 15 digits on the modem", r"^[0-9]{15}$", 15, check=_check_digit)]
"""Names a modem, whatever USB calls it."""

Imsi = Annotated[str, Text("an IMSI: the 15 digits of the SIM", r"^[0-9]{15}$", 15)]
"""Names a SIM card, whatever modem it is in. The drivers take none of 14 digits."""

DevicePath = Annotated[
    str,
    Text(
        "a device, such as /dev/ttyUSB1",
        r"^/dev/([A-Za-z0-9][A-Za-z0-9._:-]{0,63}/){0,4}[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
        120,
    ),
]
"""A device file."""


class DongleInbound(Part):
    """Calls to the modem's number."""

    to: Destination
    """Where they go: exactly one of these."""


class DongleSms(Part):
    """Text messages of this modem."""

    forward_to: Annotated[tuple[ObjectName, ...], Field(max_length=16), DISTINCT] = ()
    """Names of the Notifiers that get every message received here, whatever their `events` say."""
    per_minute: Annotated[int, Field(ge=1, le=120)] = 20
    """How many messages go out in a minute at most: networks block SIMs that send like machines."""


class DongleSpec(Spec):
    """A GSM modem."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="dongle-which",
            message="say which modem: set imei, imsi or dataPort",
            field="",
            cel="has(self.imei) || has(self.imsi) || has(self.dataPort)",
            holds=lambda spec: any((spec.imei, spec.imsi, spec.data_port)),
        ),
        Rule(
            id="dongle-ports",
            message="audioPort and dataPort belong together: set both or none",
            field="audioPort",
            cel="has(self.audioPort) == has(self.dataPort)",
            holds=lambda spec: (spec.audio_port is None) == (spec.data_port is None),
        ),
    )

    enabled: bool = True
    """Use this modem. `false` leaves it out of Asterisk altogether."""
    driver: Driver = "chan_dongle"
    """The module of Asterisk that speaks to it."""
    imei: Imei | None = None
    """The modem, by its own number: found again under whatever name USB gives it. Best of the three."""
    imsi: Imsi | None = None
    """The modem, by the SIM card in it."""
    audio_port: DevicePath | None = None
    """The modem, by its port for voice, such as `/dev/ttyUSB1`; USB may give the name to another after a restart."""
    data_port: DevicePath | None = None
    """Its port for commands, such as `/dev/ttyUSB2`."""
    group: ObjectName | None = None
    """The group that a message may be sent by (`SmsMessage.spec.dongleGroup`)."""
    rx_gain: Annotated[int, Field(ge=-100, le=100)] = 0
    """Makes what the other side says louder (above 0) or softer."""
    tx_gain: Annotated[int, Field(ge=-100, le=100)] = 0
    """Makes what we say louder (above 0) or softer."""
    language: Language = "en"
    """The language of prompts that callers hear."""
    initial_state: Literal["start", "stop", "remove"] = "start"
    """Whether it is used at once (`start`), waits to be started by hand (`stop`), or is not even opened (`remove`)."""
    inbound: DongleInbound | None = None
    """Calls to the modem's number. Without it they are refused."""
    sms: DongleSms = DongleSms()
    """Text messages."""
    watchdog_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """A modem that is plugged in, and out of service or stuck with its queue for so long, is reset; again ever more
    rarely, if that does not help; 0: never."""


class DongleSmsStatus(Part):
    """Counts of text messages, all the time that the store remembers."""

    received: Annotated[int, Field(ge=0)] = 0
    """Received."""
    sent: Annotated[int, Field(ge=0)] = 0
    """Taken by the network, delivered ones included."""
    failed: Annotated[int, Field(ge=0)] = 0
    """Refused or expired."""


class DongleStatus(Status):
    """What the modem says."""

    state: Annotated[str, Field(max_length=64)] | None = None
    """The driver's word for what it does: `Free`, `Ring`, `Not connected`, `GSM not registered`."""
    imei: Annotated[str, Field(max_length=32)] | None = None
    """The modem's number."""
    imsi: Annotated[str, Field(max_length=32)] | None = None
    """The SIM card's number."""
    provider: Annotated[str, Field(max_length=64)] | None = None
    """The network's name."""
    number: Annotated[str, Field(max_length=32)] | None = None
    """The telephone number, where the SIM card knows it."""
    network: Annotated[str, Field(max_length=64)] | None = None
    """The driver's word for the registration, such as `Registered, home network`."""
    signal_dbm: Annotated[int, Field(ge=-200, le=0)] | None = None
    """Strength of the signal, in dBm: above -85 is good, below -105 bad."""
    tasks_queued: Annotated[int, Field(ge=0)] | None = None
    """What the driver has yet to do."""
    sms: DongleSmsStatus | None = None
    """Text messages."""


KIND: Final = Kind(
    name="Dongle",
    plural="dongles",
    singular="dongle",
    short_names=("dongle",),
    spec=DongleSpec,
    status=DongleStatus,
    columns=(
        Column("State", ".status.state"),
        Column("Provider", ".status.provider"),
        Column("Number", ".status.number", wide=True),
        Column("Signal", ".status.signalDbm", "integer"),
        Column("Queue", ".status.tasksQueued", "integer"),
        Column("Received", ".status.sms.received", "integer"),
        Column("Sent", ".status.sms.sent", "integer"),
        Column("Failed", ".status.sms.failed", "integer"),
        condition_column("Online", "Online"),
        READY,
        AGE,
        Column("IMEI", ".status.imei", wide=True),
        Column("IMSI", ".status.imsi", wide=True),
        *WHY,
    ),
    description="A GSM modem: calls and text messages of a SIM card.",
    rendered=True,
    service="sms",
    kept=("sms",),
    events=(
        EventType(
            name="dongle.offline",
            title="Dongle {name} is offline",
            severity=Severity.WARNING,
            after=Truth.FALSE,
            condition=ConditionType.ONLINE,
        ),
        EventType(
            name="dongle.online",
            title="Dongle {name} is online again",
            severity=Severity.SUCCESS,
            after=Truth.TRUE,
            condition=ConditionType.ONLINE,
        ),
        EventType(name="sms.received", title="SMS from {sender}", folded=False),
    ),
)
