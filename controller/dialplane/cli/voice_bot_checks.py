"""What stands between a site's VoiceBots and their callers: modules, media, applications, the processor's order."""

import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.asterisk.status import missing_modules
from dialplane.cli.ari_check import AriAnswer, ask_ari
from dialplane.cli.doctor_checks import Diagnosis, Level
from dialplane.plan.dialplan.voice_bots import APPLICATIONS
from dialplane.resources.snapshot import Snapshot
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.voicebot.reported import APPLICATION_PREFIX

MODULES: Final = (
    "app_stasis.so",
    "chan_websocket.so",
    "res_ari.so",
    "res_ari_applications.so",
    "res_ari_bridges.so",
    "res_ari_channels.so",
    "res_ari_events.so",
    "res_http_websocket.so",
    "res_stasis.so",
)
"""What calls of bots need of Asterisk beside the modules of every dialplan."""
FAMILY, KEY = APPLICATIONS.split("/")
SERVED: Final = b"WebSocket instance not found"
"""What chan_websocket answers of a channel that is not there; another 404 says that nobody serves `/media`."""
REAL_TIME: Final = frozenset({os.SCHED_FIFO, os.SCHED_RR})
PROC: Final = Path("/proc")


def has_bots(site: Snapshot | None) -> bool:
    """Return whether a site has a bot that is to take calls."""
    return site is not None and any(spec.enabled for _, spec in site.of(VoiceBotSpec))


async def over_ami(ami: Ami, site: Snapshot | None) -> AsyncIterator[Diagnosis]:
    """Whether Asterisk has what bots need, and whether the dialplan knows of a bot."""
    if not has_bots(site):
        return
    try:
        missing = await missing_modules(ami, MODULES)
        entries = {each.key: each.value for each in await database.entries(ami, FAMILY)}
    except (PermissionMissing, ActionRefused):
        yield Diagnosis("bots", Level.SKIPPED, "the AMI user may not ask")
        return
    if missing:
        cure = "load them in modules.conf (autoload, or load = …), install the package that has them, restart Asterisk"
        yield Diagnosis("bot modules", Level.FAILED, f"not running: {', '.join(missing)}", cure)
    else:
        yield Diagnosis("bot modules", Level.OK, f"all {len(MODULES)} that are needed run")
    if listed := entries.get(KEY, ""):
        message = f"Asterisk's database ({APPLICATIONS}) lists {_applications(listed.count('&') + 1)}"
        yield Diagnosis("bot list", Level.OK, message)
    else:
        cure = "start `dialplane run`, or the operator and `dialplane bot`: the leader writes the list"
        message = f"the dialplan knows of no bot ({APPLICATIONS}): callers get the fallback"
        yield Diagnosis("bot list", Level.WARNING, message, cure)


def over_http(url: str, values: Mapping[str, SecretStr], limit: float) -> Iterator[Diagnosis]:
    """Whether the media of bots is served, and an application of theirs takes calls."""
    yield _media(url, limit)
    answer = ask_ari(url, "applications", values, limit)
    if not isinstance(answer, AriAnswer):
        return  # the check of ARI itself says why
    names = [str(each.get("name")) for each in answer.body if isinstance(each, dict)]
    count = sum(name.startswith(APPLICATION_PREFIX) for name in names)
    if count:
        yield Diagnosis("bot applications", Level.OK, f"{_applications(count)} registered")
    else:
        cure = "is `dialplane bot` up, with the Secret of spec.ari? its log says what keeps it from ARI"
        yield Diagnosis("bot applications", Level.FAILED, "no bot has an application in Asterisk", cure)


def scheduling(proc: Path = PROC) -> Iterator[Diagnosis]:
    """Whether an Asterisk on this machine goes before other processes: bots stutter where it does not."""
    found = list(_policies(proc))
    if not found:
        return
    if all(policy in REAL_TIME for policy in found):
        yield Diagnosis("scheduling", Level.OK, "Asterisk runs in real time")
    else:
        cure = "start it with -p, or in its systemd unit: CPUSchedulingPolicy=rr, CPUSchedulingPriority=10"
        message = "Asterisk waits its turn like any process: bots stutter where the machine is busy"
        yield Diagnosis("scheduling", Level.WARNING, message, cure)


def _applications(count: int) -> str:
    return f"{count} application{'s' * (count != 1)} of bots"


def _policies(proc: Path) -> Iterator[int]:
    """Yield the scheduling policy of each Asterisk of this machine."""
    for folder in proc.glob("[0-9]*"):
        try:
            if b"asterisk" in {Path(os.fsdecode(word)).name.encode() for word in _command(folder)[:1]}:
                yield os.sched_getscheduler(int(folder.name)) & ~os.SCHED_RESET_ON_FORK
        except (OSError, ValueError):
            continue  # it ended meanwhile


def _command(folder: Path) -> list[bytes]:
    return (folder / "cmdline").read_bytes().split(b"\0")


def _media(url: str, limit: float) -> Diagnosis:
    name, cure = "bot media", "load chan_websocket.so and res_http_websocket.so; http.conf: no prefix"
    try:
        with urllib.request.urlopen(f"{url}/media/dialplane-doctor", timeout=limit) as answer:  # noqa: S310 -- the model admits http and https only
            body = answer.read(4096)
    except urllib.error.HTTPError as error:
        body = error.read(4096)
    except OSError as error:
        return Diagnosis(name, Level.FAILED, f"{url} does not answer: {getattr(error, 'reason', error)}", cure)
    if SERVED in body:
        return Diagnosis(name, Level.OK, f"{url}/media takes the sockets of bots")
    return Diagnosis(name, Level.FAILED, f"{url}/media is not served: bots would neither hear nor speak", cure)
