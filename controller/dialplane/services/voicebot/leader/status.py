"""PURE: what is reported of one VoiceBot: doubts about Ready, and the numbers in its status."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from dialplane.resources.conditions import Condition, ConditionType, Kept, Truth
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import Reason
from dialplane.services.contract import ServiceReport
from dialplane.services.voicebot.leader.bots import Served
from dialplane.services.voicebot.tables.calls import BotActivity


def report(
    served: Served | None, calls: int, activity: BotActivity | None, *, counted: bool, trouble: str
) -> ServiceReport:
    """Return what is reported.

    Args:
        served: how it is served; None: it is not to be.
        calls: that go on.
        activity: its calls; None where it had none.
        counted: whether the calls were counted at all. Until then the status keeps the numbers that it has.
        trouble: why the store cannot be asked.
    """
    doubt = _doubt(served, trouble)
    return ServiceReport(() if doubt is None else (doubt,), _fields(calls, activity) if counted else KEPT)


def awaited(served: Served | None) -> ServiceReport:
    """Return what is reported of a bot while its replicas may just be starting."""
    doubt = _doubt(UNTRIED if served is not None and not served.ready else served, "")
    return ServiceReport(() if doubt is None else (doubt,), KEPT, awaited=True)


UNTRIED: Final = Served(ready=None, message="no replica of bots has proven it yet")
KEPT: dict[str, Any] = dict.fromkeys(("activeCalls", "lastCallAt", "answeredToday"), Kept.KEPT)
"""The numbers as the status has them."""


def midnight(now: datetime, time_zone: str) -> datetime:
    """Return when the day began that it is now, in a time zone of IANA's."""
    return now.astimezone(ZoneInfo(time_zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _doubt(served: Served | None, trouble: str) -> Condition | None:
    if served is None:
        return None
    if trouble:
        return Condition(ConditionType.READY, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, trouble)
    if served.ready:
        return None
    truth = Truth.UNKNOWN if served.ready is None else Truth.FALSE
    return Condition(ConditionType.READY, truth, served.reason, served.message)


def _fields(calls: int, activity: BotActivity | None) -> dict[str, Any]:
    return {
        "activeCalls": calls,
        "lastCallAt": timestamp(activity.last_call_at) if activity and activity.last_call_at else None,
        "answeredToday": activity.calls if activity else 0,
    }
