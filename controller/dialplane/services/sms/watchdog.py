"""When to reset a modem, and how: a decision from what is seen of it, and the doing of it.

A modem is in trouble while it is plugged in and out of service, or while its queue does not move. After a while it is
reset, and restarted if that did not help, then less and less often. Never during a call, and never one that is away or
stopped: there is nothing to reset.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import structlog

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.errors import AsteriskError
from dialplane.asterisk.modem import Modem, reset, restart, show
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from dialplane.tasks import Backoff

log = structlog.get_logger(__name__)

LONGEST_PAUSE: Final = 3600.0
"""Seconds between two attempts at most, unless `watchdogSeconds` is longer."""

Tell = Callable[[Key, str, str], None]
"""Make an Event of it: the resource, a reason in CamelCase, a message."""


class Remedy(StrEnum):
    """What to do about a modem; also the reason of the Event."""

    RESET = "ModemReset"
    RESTART = "ModemRestarted"


@dataclass(frozen=True, slots=True)
class Care:
    """What is remembered of one modem. Times are in seconds of a clock that nobody sets."""

    trouble: str = ""
    """What is wrong; empty where nothing is."""
    since: float = 0.0
    """Since when it is so, or since the last attempt to mend it."""
    tasks: int = 0
    """Its queue at the last look."""
    moved: float = 0.0
    """When its queue was last empty, or became shorter."""
    attempts: int = 0
    """Remedies since it was last well for a while."""


def judge(care: Care, modem: Modem | None, now: float, *, limit: float) -> tuple[Care, Remedy | None]:
    """What is remembered from now on, and what to do.

    Args:
        care: what was remembered.
        modem: what is seen; None where there is none.
        now: the time.
        limit: the Dongle's `watchdogSeconds`; 0 means to do nothing.
    """
    if modem is None or not modem.plugged_in:
        return replace(care, trouble="", tasks=0, moved=now), None
    if modem.tasks_queued == 0 or modem.tasks_queued < care.tasks:
        care = replace(care, moved=now)
    care = replace(care, tasks=modem.tasks_queued)
    trouble, since = _trouble(care, modem, now, limit)
    if not trouble:
        unwell = care.trouble != "" or now - care.since < limit
        care = replace(care, trouble="", since=now if care.trouble else care.since)
        return (care if unwell else replace(care, attempts=0)), None
    if trouble != care.trouble:
        care = replace(care, trouble=trouble, since=since)
    pause = Backoff(limit, max(LONGEST_PAUSE, limit)).wait_after(care.attempts + 1)
    if limit <= 0 or modem.calls or now - care.since < pause:
        return care, None
    remedy = Remedy.RESET if care.attempts % 2 == 0 else Remedy.RESTART
    return replace(care, attempts=care.attempts + 1, since=now, moved=now), remedy


def _trouble(care: Care, modem: Modem, now: float, limit: float) -> tuple[str, float]:
    """What is wrong, and since when."""
    if modem.fault is not None:
        return f"out of service ({modem.state})", now
    if modem.tasks_queued and now - care.moved >= limit:
        return "its queue does not move", care.moved
    return "", now


class Watchdog:
    """Looks after all modems of a site."""

    def __init__(self, tell: Tell) -> None:
        """Tell of each remedy by `tell`."""
        self._tell = tell
        self._care: dict[str, Care] = {}

    def due(self, wanted: Mapping[str, DongleSpec], modems: Mapping[str, Modem], now: float) -> dict[str, Remedy]:
        """The modems that need something now; called after each look."""
        found: dict[str, Remedy] = {}
        care: dict[str, Care] = {}
        for name, spec in wanted.items():
            care[name], remedy = judge(
                self._care.get(name, Care(since=now, moved=now)),
                modems.get(name),
                now,
                limit=float(spec.watchdog_seconds),
            )
            if remedy is not None:
                found[name] = remedy
        self._care = care
        return found

    async def mend(self, ami: Ami, name: str, spec: DongleSpec, remedy: Remedy) -> None:
        """Do it, unless a call has begun meanwhile, and tell of it. Never raises for an Asterisk that says no."""
        trouble = self._care[name].trouble if name in self._care else ""
        do = {Remedy.RESET: reset, Remedy.RESTART: restart}[remedy]
        try:
            if any(modem.calls for modem in await show(ami, spec.driver, name)):
                return
            await do(ami, spec.driver, name)
        except AsteriskError as error:
            log.warning("could not mend a modem", dongle=name, remedy=remedy, trouble=trouble, error=str(error))
            return
        log.warning("mended a modem", dongle=name, remedy=remedy, trouble=trouble)
        verb = "reset" if remedy is Remedy.RESET else "restarted"
        self._tell(Key("Dongle", name), remedy, f"the watchdog {verb} the modem: {trouble}")
