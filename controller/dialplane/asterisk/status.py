"""Facts about the running Asterisk as a whole."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.asterisk.message import Event
from dialplane.asterisk.pipeline import each
from dialplane.plan.dialplan.contexts import EMERGENCY

_DEEPEST_GOSUB = 12
_NO_CALL = "Message/"
"""Asterisk's own channel for SIP messages: once there, it stays for ever."""


@dataclass(frozen=True, slots=True)
class AsteriskStatus:
    """Version and load."""

    version: str
    started_at: datetime
    active_channels: int
    active_calls: int


async def asterisk_status(ami: Ami) -> AsteriskStatus:
    """Ask for version, start time, channels and calls.

    The start is counted back from FullyBooted's `Uptime`: CoreStatus gives it in Asterisk's own time zone, unnamed.
    """
    version = (await ami.action("CoreSettings")).get("AsteriskVersion", "")
    calls = (await ami.action("CoreStatus")).get("CoreCurrentCalls", "0")
    channels = await ami.list("CoreShowChannels")
    return AsteriskStatus(version, ami.started_at, len(channels), int(calls))


async def start_mark(ami: Ami) -> str:
    """What tells one start of this Asterisk from the next: its own words for when it was, in a zone that it hides."""
    status = await ami.action("CoreStatus")
    return f"{status.get('CoreStartupDate', '')} {status.get('CoreStartupTime', '')}"


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls that are up, ringing ones included."""

    calls: int
    emergency: bool
    """Whether one of them was dialled as an emergency number."""


async def traffic(ami: Ami) -> Traffic:
    """Count the calls now."""
    channels = [c for c in await _channels(ami) if not c.get("channel", "").startswith(_NO_CALL)]
    calls = {channel.get("linkedid") or channel.get("channel", "") for channel in channels}
    return Traffic(len(calls), any(c.startswith(EMERGENCY) for channel in channels for c in _contexts(channel)))


async def busy_contexts(ami: Ami) -> Mapping[str, int]:
    """How many channels are in each dialplan context, or will return to it from a Gosub.

    A routine that is not here may be removed. Up to 12 nested Gosubs are seen (STACK_PEEK of app_stack).
    """
    busy: Counter[str] = Counter()
    for channel in await _channels(ami):
        busy.update(_contexts(channel))
    return busy


async def _channels(ami: Ami) -> tuple[Event, ...]:
    levels = ",".join(f"STACK_PEEK({level},c,1)" for level in range(1, _DEEPEST_GOSUB + 1))
    return await ami.list("Status", Variables=levels)


def _contexts(channel: Event) -> set[str]:
    returns_to = (text.partition("=")[2] for text in channel.values_of("variable"))
    return {channel.get("context", ""), *returns_to} - {""}


async def missing_modules(ami: Ami, modules: Iterable[str]) -> tuple[str, ...]:
    """Those of the given modules (`res_pjsip.so`) that are not running, sorted."""
    missing: list[str] = []

    async def one(module: str) -> None:
        try:
            await ami.action("ModuleCheck", Module=module)
        except PermissionMissing:
            raise
        except ActionRefused:
            missing.append(module)

    await each(one, modules)
    return tuple(sorted(missing))
