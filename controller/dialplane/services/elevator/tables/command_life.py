"""How a command goes: `queued` -> `sent` -> `acknowledged` -> one of the ends, each in exactly one state. Pure.

What is physical is never sent a second time; what is safe goes back to `queued` where its connection ended without an
answer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

CommandState = Literal[
    "queued", "sent", "acknowledged", "succeeded", "failed", "rejected", "expired", "unknown", "delivered"
]
"""`queued`: it waits for the device. `sent`: it is on its way. `acknowledged`: the device has it. The ends: the device
carried it out (`succeeded`), or tried to (`failed`), or refused (`rejected`); its deadline passed before it was sent
(`expired`); nobody knows what became of it (`unknown`); it was sent to a device that acknowledges nothing
(`delivered`)."""

ANSWER_WITHIN: Final = timedelta(seconds=15)
"""How long after its deadline a command that was sent in time may stay without a word of the device."""
RESULT_WITHIN: Final = timedelta(minutes=10)
"""How long a device may take for a command that it acknowledged."""


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command that somebody wants sent."""

    device: str
    name: str
    physical: bool
    data: Any
    """JSON, up to 4 KB."""
    token: str
    """The name of the token that asked for it."""
    request_key: str
    """The same one again is the same command."""
    deadline: datetime
    """It is not sent after that."""


@dataclass(frozen=True, slots=True)
class Command(NewCommand):
    """A command as it is kept."""

    id: str = ""
    seq: int = 0
    state: CommandState = "queued"
    epoch: int | None = None
    """Of the connection that it was sent over."""
    replica: str | None = None
    sends: int = 0
    """How often it was sent."""
    queued_at: datetime | None = None
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    """Why it ended so."""
    result: Any = None
    """JSON: what the device answered."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a device, or its connection, made of a command that was sent."""

    id: str
    device: str
    """Whose word it is: of another device's command it changes nothing."""
    epoch: int
    """Of the connection: a word of an older one changes nothing."""
    state: CommandState
    reason: str | None = None
    result: Any = None


def after(was: Command, change: Change, now: datetime) -> Command:
    """Return a command after a change; the very same where it changes nothing. Pure.

    An end stays. A word of another device, or of a connection older than the one it was sent over, changes nothing; a
    newer one's counts: the device may have come back in between. A result needs no acknowledgement before it. `queued`
    says that the connection ended: it is only for what was sent over that very one.
    """
    if was.device != change.device or was.epoch is None or was.epoch > change.epoch or was.ended_at is not None:
        return was
    if change.state not in {"queued", "sent", "acknowledged"}:
        return replace(was, state=change.state, ended_at=now, reason=change.reason, result=change.result)
    if change.state == "acknowledged":
        return was if was.state == "acknowledged" else replace(was, state="acknowledged", acknowledged_at=now)
    if change.state == "sent" or was.state != "sent" or was.physical or was.epoch != change.epoch:
        return was
    if was.deadline <= now:
        return replace(was, state="unknown", ended_at=now, reason="its connection ended without an answer")
    return replace(was, state="queued")


def overdue(was: Command, now: datetime) -> Command:
    """Return a command whose time is over, as it ended. Pure."""
    if was.state == "acknowledged":
        return replace(
            was, state="unknown", ended_at=now, reason="the device acknowledged it and had no result in time"
        )
    if was.sends:
        return replace(was, state="unknown", ended_at=now, reason="it was sent, and the device did not answer in time")
    return replace(was, state="expired", ended_at=now, reason="its deadline passed before it could be sent")
