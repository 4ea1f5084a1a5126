"""Facts about the running Asterisk as a whole."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dialplane.asterisk.ami import IN_FLIGHT, Ami
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.asterisk.message import Event, Response
from dialplane.asterisk.moment import Moment
from dialplane.plan.dialplan.contexts import EMERGENCY
from dialplane.tasks import run_for_each

OLDEST = 22
"""The first major version of Asterisk that is supported."""
_DEEPEST_GOSUB = 12
_NO_CALL = "Message/"
"""Asterisk's own channel for SIP messages: once there, it stays for ever."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of an Asterisk."""

    identity: str
    """Asterisk's own word for it, the same for as long as it runs, whatever anybody's clock does meanwhile; empty where
    the AMI user may not ask."""
    moment: Moment | None
    """When, by this process's clocks, to about a second; None where it cannot be told."""

    @property
    def at(self) -> datetime | None:
        """The time of day, for people: comparing it with another is what `identity` and `moment` are for."""
        return datetime.fromtimestamp(self.moment.wall, UTC) if self.moment else None


@dataclass(frozen=True, slots=True)
class AsteriskStatus:
    """Version and load."""

    version: str
    start: Start
    active_channels: int
    active_calls: int

    @property
    def too_old(self) -> bool:
        """Whether it is older than what Dialplane speaks with; a version without a number (a Git build) is not."""
        major = re.match(r"(?:certified[/-])?(\d+)\.", self.version)
        return major is not None and int(major[1]) < OLDEST


async def asterisk_status(ami: Ami) -> AsteriskStatus:
    """Ask for version, start, channels and calls."""
    version = (await ami.action("CoreSettings")).get("AsteriskVersion", "")
    core = await ami.action("CoreStatus")
    channels = _in_calls(await ami.list("CoreShowChannels"))
    return AsteriskStatus(version, _start(ami, core), len(channels), _calls(channels))


async def asterisk_start(ami: Ami) -> Start:
    """Which start of Asterisk this connection leads to. Raises ActionTimeout and ConnectionLost."""
    try:
        return _start(ami, await ami.action("CoreStatus"))
    except ActionRefused:
        return Start("", ami.booted)


def _start(ami: Ami, core: Response) -> Start:
    # In Asterisk's own time zone, unnamed: good to tell one start from another, not to tell the time.
    return Start(f"{core.get('CoreStartupDate', '')} {core.get('CoreStartupTime', '')}".strip(), ami.booted)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls that are up, ringing ones included."""

    calls: int
    emergency: bool
    """Whether one of them was dialled as an emergency number."""


async def traffic(ami: Ami) -> Traffic:
    """Count the calls now."""
    channels = _in_calls(await _channels(ami))
    return Traffic(_calls(channels), any(c.startswith(EMERGENCY) for channel in channels for c in _contexts(channel)))


async def call_mark(ami: Ami) -> tuple[str, str]:
    """What changes when a call begins or ends: one short answer, however many there are."""
    status = await ami.action("CoreStatus")
    return status.get("CoreCurrentCalls", ""), status.get("CoreProcessedCalls", "")


async def busy_contexts(ami: Ami) -> Mapping[str, int]:
    """How many channels are in each dialplan context, or will return to it from a Gosub.

    A routine that is not here may be removed. Up to 12 nested Gosubs are seen (STACK_PEEK of app_stack).
    """
    busy: Counter[str] = Counter()
    for channel in await _channels(ami):
        busy.update(_contexts(channel))
    return busy


def _in_calls(channels: Iterable[Event]) -> list[Event]:
    return [channel for channel in channels if not channel.get("channel", "").startswith(_NO_CALL)]


def _calls(channels: Iterable[Event]) -> int:
    """Legs that belong together are one call."""
    return len({channel.get("linkedid") or channel.get("channel", "") for channel in channels})


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

    await run_for_each(one, modules, at_most=IN_FLIGHT)
    return tuple(sorted(missing))
