"""GSM modems over AMI: what their driver says of each, and what it can be told to do.

Source: `manager.c` and `chan_dongle.c` of chan_dongle, and of the fork of chan_quectel that has the same AMI under
names of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused
from dialplane.asterisk.message import Event
from dialplane.plan import objects
from dialplane.resources.dongle import Driver
from dialplane.resources.problem import Reason

PREFIX: Final[Mapping[str, str]] = MappingProxyType({f"chan_{each}": each.prefix for each in objects.Driver})
"""How the names of a driver's actions and events begin."""

SHOW_WITHIN: Final = 10.0
SEND_WITHIN: Final = 20.0
"""Seconds that Asterisk may take to answer."""

_FAULTS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "Stopped": Reason.STOPPED,
        "Not connected": Reason.NOT_CONNECTED,
        "Not initialized": Reason.NOT_INITIALIZED,
        "GSM not registered": Reason.NOT_REGISTERED,
    }
)
_NOTHING: Final = frozenset({"", "NONE", "Unknown"})
_LONGEST_WORDS, _LONGEST_NUMBER = 64, 32
"""As `DongleStatus` has them: a status with one that is longer would be refused as a whole, for ever."""
_WEAKEST_DBM, _STEP_DBM, _STRONGEST_INDEX = -113, 2, 31
"""3GPP TS 27.007, 8.5: the index 0 to 31; 99 is not known."""

_NOT_NOW: Final = frozenset(
    {"Device disbaled", "Device disabled", "Device not found", "Device disconnected"}  # the first as the driver has it
)
_MAYBE_TAKEN: Final = frozenset({"Queue error", "Unknown error"})
"""These the driver says when it stops in the middle: of a text that takes several messages some may be on their way."""


@dataclass(frozen=True, slots=True)
class Modem:
    """One device of a driver, as the driver shows it."""

    name: str
    driver: Driver
    state: str
    """The driver's word: `Free`, `SMS`, `Ring`, `Not connected`, …"""
    imei: str | None = None
    imsi: str | None = None
    provider: str | None = None
    number: str | None = None
    network: str | None = None
    """The driver's word: `Registered, home network`, …"""
    signal_dbm: int | None = None
    tasks_queued: int = 0
    calls: int = 0
    """Channels that are up on it."""

    @property
    def fault(self) -> Reason | None:
        """Why it cannot take messages; None where it can."""
        return _FAULTS.get(self.state)

    @property
    def plugged_in(self) -> bool:
        """Whether the driver has its ports open: only then can it be reset."""
        return self.fault not in {Reason.STOPPED, Reason.NOT_CONNECTED}


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """What a modem is asked to send. The text is not in its repr."""

    number: str
    text: str = field(repr=False)
    """As `sms_text.escape` made it."""
    payload: str
    """Comes back with each report."""
    validity_minutes: int
    report: bool
    """Whether the network is asked to say when it has arrived."""


def devices(driver: Driver, items: tuple[Event, ...]) -> Iterator[Modem]:
    """The modems in the answer to `…ShowDevices`."""
    name = f"{PREFIX[driver]}DeviceEntry"
    return (entry(driver, item) for item in items if item.name == name)


def entry(driver: Driver, event: Event) -> Modem:
    """One `…DeviceEntry`."""

    def known(name: str, longest: int = _LONGEST_WORDS) -> str | None:
        value = _clean(event.get(name, ""), longest)
        return None if value in _NOTHING else value

    modem = Modem(
        name=event.get("device", ""),
        driver=driver,
        state=_clean(event.get("state", ""), _LONGEST_WORDS),
        imei=known("imeistate", _LONGEST_NUMBER),
        imsi=known("imsistate", _LONGEST_NUMBER),
        provider=known("providername"),
        number=known("subscribernumber", _LONGEST_NUMBER),
        network=known("gsmregistrationstatus"),
        signal_dbm=dbm(event.get("rssi", "")),
        tasks_queued=_count(event, "tasksinqueue"),
        calls=_count(event, "callschannels"),
    )
    # The driver shows the weakest signal there is for a modem that is not there.
    return modem if modem.plugged_in else replace(modem, signal_dbm=None)


def dbm(rssi: str) -> int | None:
    """The signal's strength, None where it is not known. The driver shows an index first: `31, >= -51 dBm`."""
    index = rssi.partition(",")[0].strip()
    if not index.isdecimal() or int(index) > _STRONGEST_INDEX:
        return None
    return _WEAKEST_DBM + _STEP_DBM * int(index)


async def show(ami: Ami, driver: Driver, device: str | None = None) -> tuple[Modem, ...]:
    """All devices of a driver, or one. Raises as `Ami.list`; ActionUnknown where the driver is not loaded."""
    fields = {} if device is None else {"Device": device}
    return tuple(devices(driver, await ami.list(f"{PREFIX[driver]}ShowDevices", timeout=SHOW_WITHIN, **fields)))


async def send(ami: Ami, driver: Driver, device: str, message: ShortMessage) -> None:
    """Have a modem take a message; that it was sent is only said by a report.

    Raises as `Ami.action`: after ActionRefused see `not_now` and `maybe_taken`; after ActionTimeout and ConnectionLost
    nobody knows whether it was taken.
    """
    await ami.action(
        f"{PREFIX[driver]}SendSMS",
        timeout=SEND_WITHIN,
        Device=device,
        Number=message.number,
        Message=message.text,
        Validity=str(message.validity_minutes),
        Report="yes" if message.report else "no",
        Payload=message.payload,
    )


async def reset(ami: Ami, driver: Driver, device: str) -> None:
    """Reset the modem itself; refused where it is not connected. Raises as `Ami.action`."""
    await ami.action(f"{PREFIX[driver]}Reset", timeout=SHOW_WITHIN, Device=device)


async def restart(ami: Ami, driver: Driver, device: str) -> None:
    """Have the driver close and open it at once: that ends its calls and drops what it has not sent.

    Gracefully it would wait for a queue that is stuck. Raises as `Ami.action`.
    """
    await ami.action(f"{PREFIX[driver]}Restart", timeout=SHOW_WITHIN, Device=device, When="now")


def not_now(refusal: ActionRefused) -> bool:
    """Whether the modem was out of service: nothing is wrong with the message."""
    return words(refusal) in _NOT_NOW


def maybe_taken(refusal: ActionRefused) -> bool:
    """Whether a part of the message may be on its way although the driver said Error."""
    return words(refusal) in _MAYBE_TAKEN


def words(refusal: ActionRefused) -> str:
    """The driver's words, without the device's name in front."""
    before, found, after = refusal.message.partition("] ")
    return after if found and before.startswith("[") else refusal.message


def _clean(text: str, longest: int) -> str:
    """What modems, SIM cards and networks say of themselves may be anything."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text.strip())[:longest].rstrip()


def _count(event: Event, name: str) -> int:
    value = event.get(name, "")
    return int(value) if value.isdecimal() else 0
