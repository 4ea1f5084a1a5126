"""Read-back: does the running Asterisk hold what was rendered? Its own "reloaded" proves nothing (facts)."""

from dataclasses import dataclass

from dialplane.asterisk.ami import Ami
from dialplane.plan.objects import Objects
from dialplane.resources.key import Key


@dataclass(frozen=True, slots=True, order=True)
class Mismatch:
    """One difference between what was rendered and what Asterisk runs. Never carries a secret."""

    owner: Key | None
    """The resource to blame; None for `[globals]`, which belong to the whole site."""
    object: str
    """Such as `endpoint 101`, `context internal`, `mailbox 101`."""
    field: str
    """The option that differs; empty where the object is missing, or still there, as a whole."""
    message: str


async def read_back(ami: Ami, expected: Objects, *, timeout: float = 60.0) -> tuple[Mismatch, ...]:
    """Ask Asterisk for every expected object and compare field by field; empty means verified.

    Raises ActionTimeout after `timeout` seconds for all, ConnectionLost, PermissionMissing: then nothing is known.
    """
    raise NotImplementedError


async def gone(ami: Ami, deleted: Objects, *, timeout: float = 60.0) -> tuple[Mismatch, ...]:
    """Ask for every deleted object; a Mismatch for each that is still there. Raises as `read_back`."""
    raise NotImplementedError
