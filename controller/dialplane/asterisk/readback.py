"""Read-back: does the running Asterisk hold what was rendered? Its own "reloaded" proves nothing (facts).

`defaults.UNVERIFIABLE` lists what Asterisk does not show; all else is compared.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.contacts import registered_keys
from dialplane.asterisk.dialplan_readback import contexts_left, read_back_dialplan, read_back_globals
from dialplane.asterisk.errors import ActionTimeout
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.modem_readback import modems_left, read_back_modems
from dialplane.asterisk.modules import without_missing
from dialplane.asterisk.normalise import same_truth
from dialplane.asterisk.pjsip_readback import pjsip_left, read_back_pjsip
from dialplane.asterisk.voicemail_readback import mailboxes_left, read_back_mailboxes
from dialplane.plan.objects import Objects, PjsipType, Setting

__all__ = ["Mismatch", "gone", "read_back"]

_SETTINGS: Mapping[tuple[str, str, str], str] = {
    ("cdr.conf", "general", "enable"): "CoreCDRenabled",
    ("http.conf", "general", "enabled"): "CoreHTTPenabled",
}
"""The few settings of ordinary files that Asterisk shows (CoreSettings)."""


WITHIN = 180.0
"""Seconds for all questions of one read-back: a dozen, one after the other, each answered after ten."""


async def read_back(ami: Ami, expected: Objects, *, timeout: float | None = None) -> tuple[Mismatch, ...]:
    """Ask Asterisk for every expected object and compare field by field; empty means verified.

    Takes any part of a plan's objects: give it those that changed. What Asterisk refuses is a mismatch, not an error.

    Raises:
        ActionTimeout: not done after `timeout` seconds, by default `WITHIN`; nothing is known.
        ConnectionLost, PermissionMissing: nothing is known.
    """
    async with _limit(timeout):
        expected, found = await without_missing(ami, expected)
        found += await read_back_pjsip(ami, expected.pjsip)
        found += await read_back_dialplan(ami, expected.contexts)
        found += await read_back_globals(ami, expected.globals)
        found += await read_back_mailboxes(ami, expected.mailboxes)
        found += await read_back_modems(ami, expected.dongles)
        found += await _settings(ami, expected.settings)
    return _sorted(found)


async def gone(ami: Ami, deleted: Objects, *, timeout: float | None = None) -> tuple[Mismatch, ...]:
    """Ask for every deleted object; a mismatch for each that is still there, registered contacts of an aor included.

    Raises as `read_back`.
    """
    async with _limit(timeout):
        found = await pjsip_left(ami, deleted.pjsip)
        found += await contexts_left(ami, deleted.contexts)
        found += await mailboxes_left(ami, deleted.mailboxes)
        found += await modems_left(ami, deleted.dongles)
        aors = {o.id: o for o in deleted.pjsip if o.type is PjsipType.AOR}
        for aor in {a for a, _ in await registered_keys(ami)} & aors.keys() if aors else ():
            message = "deleted, but devices are still bound to it"
            found.append(Mismatch(aors[aor].owner, f"aor {aor}", "contact", message))
    return _sorted(found)


async def _settings(ami: Ami, settings: Iterable[Setting]) -> list[Mismatch]:
    readable = [(s, _SETTINGS[s.file, s.section, s.name]) for s in settings if (s.file, s.section, s.name) in _SETTINGS]
    if not readable:
        return []
    core = await ami.action("CoreSettings")
    return [
        Mismatch(s.owner, f"{s.file} [{s.section}]", s.name, f"rendered {s.value!r}, Asterisk runs {core[field]!r}")
        for s, field in readable
        if field in core and not same_truth(s.value, core[field])
    ]


@asynccontextmanager
async def _limit(timeout: float | None) -> AsyncIterator[None]:
    within = WITHIN if timeout is None else timeout
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError:
        raise ActionTimeout(f"the read-back was not done within {within:g} s") from None


def _sorted(found: Iterable[Mismatch]) -> tuple[Mismatch, ...]:
    return tuple(sorted(found, key=lambda m: (str(m.owner), m.object, m.field)))
