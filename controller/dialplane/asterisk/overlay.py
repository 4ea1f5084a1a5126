"""PJSIP objects changed without a reload: in Asterisk's database, which it asks before the files.

A reload of 10,000 endpoints takes Asterisk more than a second, however little changed. Where `sorcery.conf` maps a type
to `astdb,dpo` before its file, a `DBPut` is live at once. The overlay never lives long: the file is written first and
says the same, and once Asterisk has read it the overlay is taken away. So an object in it is never older than what
Asterisk has of the file, but for one case: an Asterisk that was down while the files went on starts with an overlay,
which is taken away as soon as the controller is connected.

Only what changes goes this way, nothing new, and no aor: a phone that registers at an aor which only the database has
is never qualified, and its device stays Unavailable (measured on Asterisk 22.10).
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

from pydantic import SecretStr

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.database import not_there
from dialplane.asterisk.decoder import LONGEST_LINE
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.plan.objects import PjsipObject, PjsipType
from dialplane.tasks import run_for_each

FAMILY: Final = "dpo"
"""The prefix of the keys, as `sorcery.conf` names it."""

TYPES: Final = (PjsipType.AUTH, PjsipType.ENDPOINT)
"""In the order to put them."""

FILES: Final = frozenset(kind.file for kind in TYPES)
"""The files that need not be read at once."""

_UNPROVABLE: Final = frozenset({"permit", "deny", "contact_permit", "contact_deny"})
"""Asterisk does not show these (`defaults.UNVERIFIABLE`): an endpoint with them takes the file's way."""


def fits(item: PjsipObject) -> bool:
    """Whether the database can hold this object: no option twice, nothing unprovable, not too long a line. Pure."""
    if item.type not in TYPES:
        return False
    names = Counter(name for name, _ in item.options)
    if names.keys() & _UNPROVABLE or any(count > 1 for count in names.values()):
        return False
    try:
        return len(f"Val: {_json(item)}".encode()) <= LONGEST_LINE
    except UnicodeEncodeError:  # bytes that are not UTF-8 are fine in a file only
        return False


async def cover(ami: Ami, items: Iterable[PjsipObject]) -> None:
    """Make Asterisk use these from now on. What it finds no use for falls through to what it has of the file.

    Raises as `Ami.action`.
    """

    async def put(item: PjsipObject) -> None:
        await ami.action("DBPut", Family=f"{FAMILY}/{item.type}", Key=item.id, Val=_json(item))

    chosen: Collection[PjsipObject] = tuple(items)
    for kind in TYPES:
        await run_for_each(put, [item for item in chosen if item.type is kind], at_most=IN_FLIGHT)


async def covered(ami: Ami) -> frozenset[str]:
    """The names (`auth/101`) of the objects in the overlay. Raises as `Ami.list`."""
    events = await ami.list("DBGetTree", Family=FAMILY)
    return frozenset(event["key"].removeprefix(f"/{FAMILY}/") for event in events)


async def uncover(ami: Ami) -> None:
    """Take the whole overlay away: the files alone count, as far as Asterisk has read them. Raises as `Ami.action`."""
    try:
        await ami.action("DBDelTree", Family=FAMILY)
    except PermissionMissing:
        raise
    except ActionRefused as refusal:
        if not not_there(refusal):
            raise


def _json(item: PjsipObject) -> str:
    clear = {name: v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in item.options}
    return json.dumps(clear, ensure_ascii=False, separators=(",", ":"))
