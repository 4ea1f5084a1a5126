"""What `dialplane doctor` looks at: each check asks one thing and names its cure."""

import asyncio
import contextlib
import errno
import os
import re
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.errors import ActionRefused, AuthenticationRefused, PermissionMissing
from dialplane.asterisk.recording import Proof, prove_recording
from dialplane.asterisk.status import OLDEST, asterisk_status, missing_modules
from dialplane.cli.comparison import sections
from dialplane.plan.dialplan.used import MODULES as OF_DIALPLAN
from dialplane.plan.objects import PjsipType
from dialplane.reconcile.config_dir import ConfigDirectory, ConfigDirectoryError
from dialplane.resources.asterisk import AsteriskSpec, Transport
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.snapshot import Snapshot

CLOCK_SECONDS: Final = 2.0
_WIRING: Final = (
    "chan_pjsip.so",
    "pbx_config.so",
    "res_pjsip.so",
    "res_pjsip_authenticator_digest.so",
    "res_pjsip_endpoint_identifier_ip.so",
    "res_pjsip_endpoint_identifier_user.so",
    "res_pjsip_outbound_authenticator_digest.so",
    "res_pjsip_outbound_registration.so",
    "res_pjsip_registrar.so",
    "res_pjsip_session.so",
    "res_sorcery_config.so",
)
MODULES: Final = frozenset((*_WIRING, *OF_DIALPLAN.values()))
TOO_MUCH: Final = ("Command", "Originate", "UpdateConfig")
"""Actions that the controller never needs; who steals its password could use them."""


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check found."""

    check: str
    level: Level
    message: str
    cure: str = ""


async def rights(ami: Ami, username: str) -> AsyncIterator[Diagnosis]:
    """Whether the AMI user may do what the controller does, and not much more."""
    cure = f"in manager.conf, [{username}]: write = system,reporting, then: asterisk -rx 'manager reload'"
    for action, module, needed in (("CoreStatus", None, "reporting"), ("ModuleCheck", "res_pjsip.so", "system")):
        try:
            await (ami.action(action, module=module) if module else ami.action(action))
        except PermissionMissing:
            yield Diagnosis("rights", Level.FAILED, f"{username} may not run {action} (class {needed})", cure)
            return
        except ActionRefused:
            continue  # allowed; the module check below says what is missing
    commands = await ami.action("ListCommands")
    allowed = [name for name in TOO_MUCH if name in commands]
    if allowed:
        yield Diagnosis(
            "rights", Level.WARNING, f"{username} may also run {', '.join(allowed)}: more than is needed", cure
        )
    else:
        yield Diagnosis("rights", Level.OK, f"{username} may do what is needed and no more")


async def modules(ami: Ami) -> AsyncIterator[Diagnosis]:
    """Whether every module that rendered files rely on is running."""
    try:
        missing = await missing_modules(ami, MODULES)
    except PermissionMissing:
        yield Diagnosis("modules", Level.SKIPPED, "the AMI user may not ask")
        return
    if missing:
        cure = "load them in modules.conf (autoload, or load = …), install the package that has them, restart Asterisk"
        yield Diagnosis("modules", Level.FAILED, f"not running: {', '.join(missing)}", cure)
    else:
        yield Diagnosis("modules", Level.OK, f"all {len(MODULES)} that are needed run")


async def version(ami: Ami) -> AsyncIterator[Diagnosis]:
    """Whether this Asterisk is one that Dialplane speaks with."""
    try:
        status = await asterisk_status(ami)
    except ActionRefused:
        yield Diagnosis("version", Level.SKIPPED, "the AMI user may not ask")
        return
    if status.too_old:
        cure = f"upgrade Asterisk to {OLDEST} or newer"
        yield Diagnosis("version", Level.FAILED, f"Asterisk {status.version} is too old", cure)
    else:
        yield Diagnosis("version", Level.OK, f"Asterisk {status.version}")


async def clock(ami: Ami) -> AsyncIterator[Diagnosis]:
    """Whether Asterisk's clock agrees with ours: schedules and certificates depend on it."""
    before = time.time()
    answer = await ami.action("Ping")
    after = time.time()
    try:
        theirs = float(answer["timestamp"])
    except (KeyError, ValueError):
        yield Diagnosis("clock", Level.SKIPPED, "Asterisk does not say its time")
        return
    ahead = theirs - after if theirs > after else min(0.0, theirs - before)
    if abs(ahead) > CLOCK_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        message = f"Asterisk's clock is {abs(ahead):.0f} s {side} this machine's"
        yield Diagnosis("clock", Level.FAILED, message, "run NTP (chrony, systemd-timesyncd) on both machines")
    else:
        yield Diagnosis("clock", Level.OK, "both clocks agree")


async def includes(ami: Ami, directory: ConfigDirectory) -> AsyncIterator[Diagnosis]:
    """Whether Asterisk reads the rendered files: it must know what is in them."""
    folder = directory.path.name
    try:
        files = await asyncio.to_thread(
            directory.read, ["extensions.conf", "pjsip_endpoint.conf", "pjsip_aor.conf", "voicemail.conf"]
        )
    except ConfigDirectoryError as error:
        yield Diagnosis("includes", Level.FAILED, str(error), "let this user read and write the config directory")
        return
    if "extensions.conf" not in files:
        yield Diagnosis(
            "includes", Level.SKIPPED, f"nothing rendered in {directory.path} yet", "start `dialplane run` first"
        )
        return
    mark = re.search(r"^DIALPLANE_REVISION\s*=\s*(\S+)", files["extensions.conf"], re.MULTILINE)
    running = await _variable(ami, "DIALPLANE_REVISION")
    if not running:
        cure = f"end extensions.conf with: #tryinclude {folder}/extensions.conf"
        yield Diagnosis("dialplan", Level.FAILED, "Asterisk does not read the rendered extensions.conf", cure)
    elif mark and mark[1] != running:
        cure = "let the controller run: it reloads and verifies; a broken file is in Asterisk's log"
        yield Diagnosis("dialplan", Level.WARNING, "Asterisk runs an older dialplan than the rendered one", cure)
    else:
        yield Diagnosis("dialplan", Level.OK, "Asterisk runs the rendered dialplan")
    yield await _mapped(ami, files.get(PjsipType.ENDPOINT.file, ""), folder)


async def _mapped(ami: Ami, text: str, folder: str) -> Diagnosis:
    """Whether sorcery.conf maps the rendered endpoints, judged by one of them."""
    kind = PjsipType.ENDPOINT
    names = [name for name in sections(text) if name]
    if not names:
        return Diagnosis("sorcery", Level.SKIPPED, "no endpoint is rendered")
    try:
        await ami.list("PJSIPShowEndpoint", endpoint=names[0])
    except ActionRefused:
        cure = f"in sorcery.conf, [res_pjsip]: {kind} = config,{folder}/{kind.file},criteria=type={kind}; then restart"
        return Diagnosis("sorcery", Level.FAILED, f"Asterisk does not know {kind} {names[0]} of {kind.file}", cure)
    return Diagnosis("sorcery", Level.OK, f"Asterisk knows {kind} {names[0]} of {kind.file}")


async def _variable(ami: Ami, name: str) -> str:
    with contextlib.suppress(ActionRefused):
        return (await ami.action("Getvar", variable=name)).get("value", "")
    return ""


async def recordings(main: Ami, calls: AmiAddress, site: Snapshot | None) -> AsyncIterator[Diagnosis]:
    """Whether Asterisk can write recordings, where the site asks for any."""
    if site is None or not any(spec.record == "always" for _, spec in site.of(ExtensionSpec)):
        return
    path = next((spec.recording.path for _, spec in site.of(AsteriskSpec)), AsteriskSpec().recording.path)
    try:
        async with Ami.connect(calls, events="off", wait_for_boot=False) as placing:
            proof = await prove_recording(main, placing)
    except (PermissionMissing, AuthenticationRefused) as error:
        cure = f"in manager.conf, [{calls.username}]: write = originate,call, then: asterisk -rx 'manager reload'"
        message = f"not proven: {error}"
        yield Diagnosis("recordings", Level.FAILED, message, cure)
        return
    match proof:
        case Proof.WRITTEN:
            yield Diagnosis("recordings", Level.OK, f"Asterisk has written one to {path}, and deleted it")
        case Proof.UNANSWERED:
            cure = "let the controller run: it renders what proves it, and reloads"
            yield Diagnosis("recordings", Level.WARNING, "Asterisk does not say whether it can write them", cure)
        case Proof.FULL:
            cure = "free some of the disk, or raise the quota of Asterisk's user"
            yield Diagnosis("recordings", Level.FAILED, f"Asterisk finds no room in {path}", cure)
        case Proof.REFUSED | Proof.HANGS:
            cure = f"let Asterisk's user make folders and files in {path}; Asterisk's log has the cause"
            yield Diagnosis(
                "recordings", Level.FAILED, f"Asterisk cannot write to {path}: calls are not recorded", cure
            )


def config_directory(path: Path) -> Iterator[Diagnosis]:
    """Whether the controller can write its files there."""
    if not path.is_dir():
        yield Diagnosis(
            "config directory", Level.FAILED, f"{path} is not there", f"install -d -m 2750 -g asterisk {path}"
        )
        return
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor."):
            pass
    except OSError as error:
        cure = f"let this user (uid {os.geteuid()}) write it: chown or chgrp, or mount it read-write"
        yield Diagnosis("config directory", Level.FAILED, f"{path} cannot be written: {error.strerror}", cure)
        return
    if path.stat().st_mode & 0o007:
        cure = f"chmod o= {path}"
        yield Diagnosis("config directory", Level.WARNING, f"{path} is open to every user; it holds passwords", cure)
    else:
        yield Diagnosis("config directory", Level.OK, f"{path} can be written")


def ports(asterisk: AsteriskSpec) -> Iterator[Diagnosis]:
    """Whether something listens where the transports say. Only for an Asterisk on this machine."""
    for transport in asterisk.transports:
        if transport.protocol == "wss" or transport.bind is None:
            continue
        address = f"{transport.protocol} {transport.bind}"
        state = _bound(transport)
        if state is None:
            yield Diagnosis("ports", Level.SKIPPED, f"{address}: not an address of this machine")
        elif state:
            yield Diagnosis("ports", Level.OK, f"{address}: something listens")
        else:
            cure = "restart Asterisk: a new transport, or a changed bind, takes effect only then"
            yield Diagnosis("ports", Level.WARNING, f"{address}: nothing listens there", cure)


def _bound(transport: Transport) -> bool | None:
    """Whether the address is taken; None if it is not ours to try."""
    host, port = transport.listens
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return True if error.errno == errno.EADDRINUSE else None
    return False
