"""Facts about the running Asterisk as a whole."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import ActionRefused, PermissionMissing
from dialplane.asterisk.message import Response
from dialplane.asterisk.moment import Moment
from dialplane.asterisk.pipeline import each

OLDEST = 22
"""The first major version of Asterisk that is supported."""
_DEEPEST_GOSUB = 12


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
    channels = await ami.list("CoreShowChannels")
    return AsteriskStatus(version, _start(ami, core), len(channels), int(core.get("CoreCurrentCalls", "0")))


async def asterisk_start(ami: Ami) -> Start:
    """Which start of Asterisk this connection leads to. Raises ActionTimeout and ConnectionLost."""
    try:
        return _start(ami, await ami.action("CoreStatus"))
    except ActionRefused:
        return Start("", ami.booted)


def _start(ami: Ami, core: Response) -> Start:
    # In Asterisk's own time zone, unnamed: good to tell one start from another, not to tell the time.
    return Start(f"{core.get('CoreStartupDate', '')} {core.get('CoreStartupTime', '')}".strip(), ami.booted)


async def busy_contexts(ami: Ami) -> Mapping[str, int]:
    """How many channels are in each dialplan context, or will return to it from a Gosub.

    A routine that is not here may be removed. Up to 12 nested Gosubs are seen (STACK_PEEK of app_stack).
    """
    levels = ",".join(f"STACK_PEEK({level},c,1)" for level in range(1, _DEEPEST_GOSUB + 1))
    busy: Counter[str] = Counter()
    for channel in await ami.list("Status", Variables=levels):
        returns_to = (text.partition("=")[2] for text in channel.values_of("variable"))
        busy.update({channel.get("context", ""), *returns_to} - {""})
    return busy


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
