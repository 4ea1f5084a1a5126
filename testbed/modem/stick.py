"""The hardware: a GSM modem with its SIM card and the network behind it, as far as a test decides about it."""

import asyncio
import base64
import time
from dataclasses import dataclass, field

HOME, SEARCHING = 1, 2
REGISTRATIONS = {"none": 0, "home": HOME, "searching": SEARCHING, "denied": 3, "unknown": 4, "roaming": 5}
"""Names of a control command -> the number of the modem's ``+CREG``."""
_PART, _PARTS = 160, 153
_PART_WIDE, _PARTS_WIDE = 70, 67


OUTCOMES = ("delivered", "failed", "unsent", "expired", "never")


@dataclass(frozen=True)
class Outcome:
    """What the network makes of a message that was accepted.

    Attributes:
        name: ``delivered``; ``failed`` (reported by the network); ``unsent`` (the modem says ERROR); ``expired``
            (no report until the validity ended); ``never`` (nothing is ever told).
        after: seconds until it is told.
    """

    name: str = "delivered"
    after: float = 0.05

    def changed(self, name: str, after: float | None = None) -> "Outcome":
        """Another outcome, by default after as long as this one."""
        if name not in OUTCOMES:
            raise ValueError(f"no outcome {name!r}; there are {', '.join(OUTCOMES)}")
        return Outcome(name, self.after if after is None else after)


@dataclass(frozen=True)
class Received:
    """A message on its way to the modem's owner."""

    sender: str
    body: bytes
    at: float = field(default_factory=time.time)
    repeated: bool = False
    """The driver tells its events twice, as when it reads a message again before it deleted it."""

    @property
    def text(self) -> bytes:
        """The body as a C string."""
        return self.body.partition(b"\0")[0]

    @property
    def whole(self) -> bytes:
        """What the driver encodes: it keeps a NUL only in a message of one part."""
        return self.body if parts(self.body) == 1 else self.text

    @property
    def base64(self) -> str:
        """``SMS_BASE64``; the driver's buffer holds 40,799 characters."""
        return base64.b64encode(self.whole).decode()[:40_799]


@dataclass(eq=False)
class Stick:
    """One modem; plugged in as long as the driver's :class:`~testbed.modem.driver.Driver` has it in its list."""

    imei: str
    imsi: str
    audio: str = "/dev/ttyUSB1"
    data: str = "/dev/ttyUSB2"
    provider: str = "Testnet"
    number: str = ""
    rssi: int = 20
    registration: int = HOME
    manufacturer: str = "huawei"
    model: str = "E1550"
    firmware: str = "11.608.14.15.311"
    working: asyncio.Event = field(default_factory=asyncio.Event)
    """Clear: it is stuck: takes messages, sends none, reports nothing, receives nothing; its state reads as before."""
    reset_heals: bool = True
    send_seconds: float = 0.0
    """How long the modem is at work on one message."""
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.working.set()

    @property
    def registered(self) -> bool:
        """Whether messages and calls pass."""
        return self.registration in {HOME, REGISTRATIONS["roaming"]}


def parts(body: bytes) -> int:
    """How many short messages carry this text; what is not ASCII counts as UCS-2."""
    if body.isascii():
        length, one, many = len(body), _PART, _PARTS
    else:
        length, one, many = len(body.decode(errors="replace").encode("utf-16-le")) // 2, _PART_WIDE, _PARTS_WIDE
    return 1 if length <= one else -(-length // many)
