"""Calls that Dialplane places itself: begun by AMI, and known by an id of ours from the first moment on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialplane.asterisk.ami import Ami

ANSWERED: Final = "Up"
_ANSWER_SECONDS: Final = 10.0
"""For Asterisk to say that it places a call; the call itself goes on beside it."""


@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """A call to place: once somebody answers, it goes on at a place of the dialplan."""

    id: str
    """The `Uniqueid` of the channel that goes on there."""
    number: str
    """Digits, with at most one `+` in front."""
    context: str
    """In which the number is dialled."""
    to: tuple[str, str]
    """Context and extension where it goes on."""
    ring_seconds: int
    variables: Mapping[str, str]
    """Variables that both ends of the call have. Values have no line breaks."""


async def place(ami: Ami, call: OutgoingCall) -> None:
    """Have a call placed. Its `OriginateResponse` has the id as `ActionID`, its `Hangup` as `Uniqueid`.

    Both ends stay in the call: what follows in the dialplan after a bot belongs to this one.

    Raises:
        ActionRefused: nobody is called.
        ActionTimeout, Unreachable: nobody knows.
    """
    context, extension = call.to
    await ami.action(
        "Originate",
        timeout=_ANSWER_SECONDS,
        ActionID=call.id,
        Channel=f"Local/{call.number}@{call.context}/n",
        ChannelId=call.id,
        OtherChannelId=f"{call.id}-out",
        Context=context,
        Exten=extension,
        Priority="1",
        Timeout=str(call.ring_seconds * 1000),
        CallerID=f"<{call.number}>",
        Variable=[f"{name}={value}" for name, value in call.variables.items()],
        Async="true",
    )


async def channels(ami: Ami) -> Mapping[str, bool]:
    """Return the `Uniqueid` of every channel, each with whether it is answered.

    Raises:
        AsteriskError: not now.
    """
    listed = await ami.list("Status")
    return {each.get("Uniqueid", ""): each.get("ChannelStateDesc", "") == ANSWERED for each in listed}
