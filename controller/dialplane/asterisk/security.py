"""Whom Asterisk refused: the events of AMI's class `security` (main/security_events.c), made small and harmless.

An event holds challenges and hashes, which are never looked at, and an account that its sender may have made up: what
comes out of here is bounded, one line, and of letters that can be shown anywhere.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, ActionTimeout
from dialplane.asterisk.message import Event

log = structlog.get_logger(__name__)

KINDS: Final = frozenset(
    {
        "AuthMethodNotAllowed",
        "ChallengeResponseFailed",
        "FailedACL",
        "InvalidAccountID",
        "InvalidPassword",
        "InvalidTransport",
        "LoadAverageLimit",
        "MemoryLimit",
        "RequestBadFormat",
        "RequestNotAllowed",
        "RequestNotSupported",
        "SessionLimit",
        "UnexpectedAddress",
    }
)
"""The events that tell of a refusal. `SuccessfulAuth` and `ChallengeSent`, the other two of the class, tell of none."""

_OF_NO_USE: Final = ("ChallengeSent", "SuccessfulAuth")
"""Two for each REGISTER of each phone."""

_SERVICES: Final = frozenset({"AMI", "PJSIP"})
_NOBODY: Final = "<unknown>"
"""The account of a refusal that another event about the same request names."""
_ACCOUNT_LENGTH: Final = 40
_ODD: Final = re.compile(r"[^A-Za-z0-9_.+@*#-]")
_PREFIX: Final = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One refusal."""

    kind: str
    """One of `KINDS`."""
    service: str
    """`PJSIP`, `AMI` or `other`."""
    account: str
    """Whom the sender says to be: at most 40 harmless letters; empty where nobody is named."""
    network: str
    """Where it came from, as a /24 or a /64; empty where that is unknown."""
    address: str = ""
    """The address itself; empty where that is unknown."""


async def security_events(ami: Ami) -> AsyncIterator[SecurityEvent]:
    """Each refusal from now on; ends with the connection. Needs the event class `security`."""
    with ami.events(*KINDS) as events:
        await _leave_out(ami)
        async for event in events:
            if isinstance(event, Event):
                yield security_event(event)


def security_event(event: Event) -> SecurityEvent:
    """What may be known of one of `KINDS`. Pure."""
    service, address = event.get("service", ""), _address(event.get("remoteaddress", ""))
    return SecurityEvent(
        event.name,
        service if service in _SERVICES else "other",
        _account(event.get("accountid", "")),
        _network_of(address),
        address,
    )


async def _leave_out(ami: Ami) -> None:
    """Have this connection spared what is of no use; where Asterisk will not, it is only more to read."""
    for name in _OF_NO_USE:
        try:
            await ami.action("Filter", Operation="Add", MatchCriteria=f"action(exclude),name({name})", Filter="")
        except (ActionRefused, ActionTimeout) as error:
            log.info("asterisk does not filter events", error=str(error))
            return


def _account(said: str) -> str:
    if said == _NOBODY:
        return ""
    clean = _ODD.sub("?", said[: _ACCOUNT_LENGTH + 1])
    return clean if len(clean) <= _ACCOUNT_LENGTH else f"{clean[: _ACCOUNT_LENGTH - 1]}…"


def _address(said: str) -> str:
    """Return the third part of `IPV4/UDP/192.0.2.7/5060`; it is Asterisk's own word, not the sender's."""
    parts = said.split("/", 3)
    return parts[2].strip("[]").partition("%")[0] if len(parts) > 2 else ""  # noqa: PLR2004 -- the third


@lru_cache(maxsize=1024)  # a flood comes from few addresses, and this was a third of what an event costs
def _network_of(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    return str(ip_network((address, _PREFIX[address.version]), strict=False))
