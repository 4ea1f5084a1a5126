"""Families of Asterisk's own database (`DB(family/key)` in the dialplan)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.errors import ActionRefused, ActionUnknown, PermissionMissing
from dialplane.tasks import run_for_each

_NOT_THERE: Final = ("Database entry not found", "Database entry could not be deleted")
"""What Asterisk says of a key that does not exist; the latter where another deleted it at the same moment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a family, and its value."""

    key: str
    value: str


async def entries(ami: Ami, family: str) -> tuple[Entry, ...]:
    """All of a family, in the order of the keys. Raises as `Ami.list`."""
    found = await ami.list("DBGetTree", Family=family)
    return tuple(Entry(event["key"].removeprefix(f"/{family}/"), event.get("val", "")) for event in found)


async def put(ami: Ami, family: str, key: str, value: str) -> None:
    """Write a key, whether it is there or not. Raises as `Ami.action`."""
    await ami.action("DBPut", Family=family, Key=key, Val=value)


async def remove(ami: Ami, family: str, keys: Iterable[str]) -> None:
    """Delete keys, many at a time; one that is gone already is fine. Raises as `Ami.action`."""

    async def delete(key: str) -> None:
        try:
            await ami.action("DBDel", Family=family, Key=key)
        except (PermissionMissing, ActionUnknown):
            raise
        except ActionRefused as refusal:
            if not not_there(refusal):
                raise

    await run_for_each(delete, keys, at_most=IN_FLIGHT)


def not_there(refusal: ActionRefused) -> bool:
    """Whether Asterisk refused to delete what does not exist."""
    return refusal.message in _NOT_THERE
