"""How a simulated device behaves: a good one by default."""

from dataclasses import dataclass
from typing import Final, Literal

Answer = Literal["results", "acks", "rejects", "fails", "nothing"]
"""What a device that said `hello` makes of a command: it carries it out, only says that it has it, refuses it, tries in
vain, or is silent."""

ACK: Final = "ack"
"""The capability of a device that answers commands."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How devices of one group behave; times in seconds."""

    interval: float = 5.0
    """Between heartbeats; 0: it sends none."""
    jitter: float = 0.1
    """By which share an interval is longer or shorter, by chance."""
    hello: tuple[str, ...] | None = None
    """The capabilities that it introduces itself with; None: old firmware, which says no `hello`, answers nothing."""
    firmware: str = "2.4.1"
    answers: Answer = "results"
    after: float = 0.0
    """Until it answers a command."""
    picture: str = ""
    """Base64: what it answers the command `SNAPSHOT` with, old firmware too; empty: nothing."""
    reads: bool = True
    """False: it reads nothing after the answer to its upgrade, and has next to no room for what comes."""
    reconnects: bool = True
    """Whether it comes back when its connection ends, and goes on trying where it is not let in."""
    back_off: float = 0.5
    """The pause before it comes back, half as much or half more by chance; doubled each time that was in vain."""
    back_off_most: float = 10.0
    header: bool = False
    """It shows its token in the header `Authorization`; else in the query."""
    hosts: tuple[str, ...] = ()
    """The addresses of loopback that the devices connect from, in turn; none: whichever the system takes."""
