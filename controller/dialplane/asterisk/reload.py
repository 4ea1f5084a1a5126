"""Reloading one module of Asterisk, and which modules a changed file asks for."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, ActionTimeout, ActionUnknown, PermissionMissing, ReloadUnfinished
from dialplane.asterisk.message import Event
from dialplane.asterisk.modem_readback import reload_modems
from dialplane.plan.objects import KEYS, Driver

PJSIP = "res_pjsip.so"
REGISTRATION = "res_pjsip_outbound_registration.so"
IDENTIFY = "res_pjsip_endpoint_identifier_ip.so"

_MODULE: Mapping[str, str] = {
    "pjsip_global.conf": PJSIP,
    "pjsip_system.conf": PJSIP,
    "pjsip_transport.conf": PJSIP,
    "pjsip_placeholder.conf": PJSIP,
    "pjsip_endpoint.conf": PJSIP,
    "pjsip_auth.conf": PJSIP,
    "pjsip_aor.conf": PJSIP,
    "pjsip_identify.conf": IDENTIFY,
    "pjsip_registration.conf": REGISTRATION,
    "extensions.conf": "pbx_config.so",
    "voicemail.conf": "app_voicemail.so",
    "musiconhold.conf": "res_musiconhold.so",
    "queues.conf": "app_queue.so",
    "features.conf": "features",
    "rtp.conf": "res_rtp_asterisk.so",
    "cdr.conf": "cdr",
    "cdr_csv.conf": "cdr_csv.so",
    "http.conf": "http",
    "ari.conf": "res_ari.so",
    **{driver.file: driver.module for driver in Driver},
}
_MODEMS: Mapping[str, Driver] = {driver.module: driver for driver in Driver}
"""Modules with a reload of their own: it alone leaves modems in a call alone."""
_RESTART = frozenset({"pjsip_system.conf", "http.conf"})
"""Read at start only. http.conf does reload, but an open TLS listener keeps its certificate (facts)."""
_OPENS = frozenset({KEYS, "http.conf"})
"""What is read when a listener opens: where none was open, a reload opens it."""


class ReloadStatus(IntEnum):
    """What Asterisk says of a reload (AMI event `Reload`, main/loader.c). For PJSIP, DONE proves nothing: read back."""

    DONE = 0
    QUEUED = 1
    NOT_FOUND = 2
    ERROR = 3
    IN_PROGRESS = 4
    UNINITIALISED = 5
    UNSUPPORTED = 6


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """How one reload ended."""

    module: str
    status: ReloadStatus
    duration_ms: float

    @property
    def succeeded(self) -> bool:
        """Whether Asterisk says it is done; PJSIP says so of broken files, too."""
        return self.status is ReloadStatus.DONE

    @property
    def unreadable(self) -> bool:
        """Whether Asterisk says that it cannot read the file; other ends (no such module) say nothing against it."""
        return self.status is ReloadStatus.ERROR


@dataclass(frozen=True, slots=True)
class Reloads:
    """What makes Asterisk read changed files: modules to reload, in order, and files that only a restart reads."""

    modules: tuple[str, ...] = ()
    restart_for: tuple[str, ...] = ()


def reloads_for(changed_files: Iterable[str], begun: Collection[str] = ()) -> Reloads:
    """The fewest reloads that cover the changed files (paths below the config directory). Pure.

    `res_pjsip.so` reads every PJSIP file, so that it stands alone for them. PJSIP comes before the dialplan that dials
    it. A changed transport is reloaded: the read-back tells whether it needs a restart (a new one does not). Of
    `begun`, those that said nothing before, nothing that listens has read anything yet.

    Raises:
        ValueError: no module is known for a file.
    """
    modules: set[str] = set()
    restart: list[str] = []
    for path in sorted(changed_files):
        parts = PurePosixPath(path).parts
        opens = path in begun and parts[0] in _OPENS
        if parts[0] == KEYS:
            restart += () if opens else (path,)
            continue
        if path not in _MODULE:
            raise ValueError(f"no module is known to read {path}")
        modules.add(_MODULE[path])
        if path in _RESTART and not opens:
            restart.append(path)
    if PJSIP in modules:
        modules -= {REGISTRATION, IDENTIFY}
    order = list(dict.fromkeys(_MODULE.values()))
    return Reloads(tuple(sorted(modules, key=order.index)), tuple(restart))


async def reload(ami: Ami, module: str, *, timeout: float = 60.0) -> ReloadResult:
    """Reload one module; one at a time per connection.

    A reload that another party has under way (status 4) is waited for, then done again: it may have read the old file.

    Args:
        ami: the connection.
        module: such as `res_pjsip.so`.
        timeout: seconds for Asterisk's answer, and for another party's reload before it, once it is our turn.

    Raises:
        ReloadUnfinished: it may still be going on, or another one is that does not end; whether the files were read is
            unknown.
        ConnectionLost: likewise.
        PermissionMissing: the user lacks `write = system`.
    """
    async with ami.reloading:
        started = time.monotonic()
        while True:
            driver = _MODEMS.get(module)
            status = await (_reload_modems(ami, driver, timeout) if driver else _reload_once(ami, module, timeout))
            if status is not ReloadStatus.IN_PROGRESS:
                return ReloadResult(module, status, round((time.monotonic() - started) * 1000, 1))
            if time.monotonic() - started > timeout:
                raise ReloadUnfinished(f"Reload {module}: another reload has been going on for {timeout:g} s")
            await asyncio.sleep(0.1)


async def _reload_modems(ami: Ami, driver: Driver, timeout: float) -> ReloadStatus:
    """Its answer is all there is: no event follows."""
    try:
        await reload_modems(ami, driver, timeout)
    except ActionTimeout:
        raise ReloadUnfinished(f"Reload {driver.module}: not finished within {timeout:g} s") from None
    except PermissionMissing:
        raise
    except ActionUnknown:
        return ReloadStatus.NOT_FOUND
    except ActionRefused:
        return ReloadStatus.ERROR
    return ReloadStatus.DONE


async def _reload_once(ami: Ami, module: str, timeout: float) -> ReloadStatus:
    with ami.events("Reload") as events:
        try:
            await ami.action("Reload", timeout=timeout, Module=module)
        except ActionTimeout:
            raise ReloadUnfinished(f"Reload {module}: not finished within {timeout:g} s") from None
        except PermissionMissing:
            raise
        except ActionRefused as refusal:
            said = ReloadStatus.NOT_FOUND if "No such module" in refusal.message else ReloadStatus.ERROR
        else:
            said = ReloadStatus.DONE
        # The event says more than the response does, and follows at once; some paths of the loader send none.
        try:
            async with asyncio.timeout(1.0):
                async for event in events:
                    if isinstance(event, Event) and event.get("module") == module:
                        return ReloadStatus(int(event["status"]))
        except (TimeoutError, ValueError):
            return said
    raise await ami.closed()
