"""Schedules: which way a call goes by the time of day, asked at the moment of the call."""

from collections.abc import Iterator

from dialplane.plan.dialplan.contexts import ENDED, SCHEDULE_GROUPS, SCHEDULES, Address, context
from dialplane.plan.dialplan.destinations import Destinations
from dialplane.plan.dialplan.routine import listed, routine
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site
from dialplane.resources.key import Key
from dialplane.resources.schedule import OpenHours, ScheduleSpec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = "2400"

# One reading of the clock decides everything. Yesterday is found from its noon: a day may have 23 or 25 hours.
# Holidays are looked up by FIELDNUM, which takes the list by its name: 256 of them never pass through an expression.
SCHEDULE = routine(
    "schedule",
    ("zone", "holidays", "hours", "tails", "open_context", "open_extension", "closed_context", "closed_extension"),
    """
          Set(LOCAL(now)=${EPOCH})
          Set(LOCAL(holidays)=<holidays>)
          Set(LOCAL(today)=${STRFTIME(${now},<zone>,%u:%H:%M:%Y%m%d:%m%d)})
          GotoIf($["x<holidays>" = "x"]?hours)
          GotoIf($[${FIELDNUM(holidays,&,${CUT(today,:,4)})} > 0]?closed)
          GotoIf($[${FIELDNUM(holidays,&,${CUT(today,:,5)})} > 0]?closed)
    hours: Set(LOCAL(day)=${CUT(today,:,1)})
          Set(LOCAL(time)=${CUT(today,:,2)}${CUT(today,:,3)})
          Set(LOCAL(left)=<hours>)
    next: GotoIf($["x${left}" = "x"]?tails)
          Set(LOCAL(each)=${CUT(left,&,1)})
          Set(LOCAL(left)=${CUT(left,&,2-)})
          GotoIf($["x${CUT(each,:,1)}" =~ "${day}"]?:next)
          GotoIf($[${time} < ${CUT(each,:,2)} | ${time} >= ${CUT(each,:,3)}]?next)
          Goto(<open_context>,<open_extension>,1)
    tails: GotoIf($["x<tails>" = "x"]?closed)
          Set(LOCAL(noon)=$[${now} - ${CUT(today,:,2)} * 3600 - ${CUT(today,:,3)} * 60 - 43200])
          Set(LOCAL(yesterday)=${STRFTIME(${noon},<zone>,%u:%H:%M:%Y%m%d:%m%d)})
          GotoIf($["x<holidays>" = "x"]?began)
          GotoIf($[${FIELDNUM(holidays,&,${CUT(yesterday,:,4)})} > 0]?closed)
          GotoIf($[${FIELDNUM(holidays,&,${CUT(yesterday,:,5)})} > 0]?closed)
    began: Set(LOCAL(day)=${CUT(yesterday,:,1)})
          Set(LOCAL(left)=<tails>)
    tail: GotoIf($["x${left}" = "x"]?closed)
          Set(LOCAL(each)=${CUT(left,&,1)})
          Set(LOCAL(left)=${CUT(left,&,2-)})
          GotoIf($["x${CUT(each,:,1)}" =~ "${day}"]?:tail)
          GotoIf($[${time} >= ${CUT(each,:,2)}]?tail)
          Goto(<open_context>,<open_extension>,1)
    closed: Goto(<closed_context>,<closed_extension>,1)
    """,
)
"""Holidays (`MMDD`, `YYYYMMDD`) close the whole day. `hours` are `days:from:to`; `tails` are `days:to`, for what is
left after midnight of hours that began the day before. Days are digits, Monday is 1."""

ROUTINES = (SCHEDULE,)


def schedules(site: Site, destinations: Destinations) -> Iterator[DialplanContext]:
    """One entry per schedule, and the ring groups that schedules lead to."""
    key = site.asterisk_key
    entries = [_entry(owner, spec, site.asterisk.time_zone, destinations) for owner, spec in site.schedules]
    yield context(SCHEDULES, key, entries)
    legs = [
        (owner, to.ring_group, _group_place(owner, leg))
        for owner, spec in site.schedules
        for leg, to in (("open", spec.when_open), ("closed", spec.when_closed))
    ]
    groups = [destinations.group_entry(group, place, owner) for owner, group, place in legs if group]
    if groups:
        yield context(SCHEDULE_GROUPS, key, groups)


def _entry(key: Key, spec: ScheduleSpec, site_zone: str, destinations: Destinations) -> DialplanEntry:
    hours = sorted({line for each in spec.open for line in _hours(each)})
    tails = sorted({line for each in spec.open for line in _tail(each)})
    # A way that leads nowhere ends the call; the checks report it.
    opened = destinations.address(spec.when_open, _group_place(key, "open")) or ENDED
    closed = destinations.address(spec.when_closed, _group_place(key, "closed")) or ENDED
    return SCHEDULE.entry(
        key.name,
        key,
        spec.time_zone or site_zone,
        listed(sorted(day.replace("-", "") for day in spec.holidays)),
        listed(hours),
        listed(tails),
        opened.context,
        opened.extension,
        closed.context,
        closed.extension,
    )


def _hours(each: OpenHours) -> Iterator[str]:
    until = MIDNIGHT if _over_midnight(each) else each.to.replace(":", "")
    yield f"{_digits(each)}:{each.from_.replace(':', '')}:{until}"


def _tail(each: OpenHours) -> Iterator[str]:
    if _over_midnight(each) and each.to != "00:00":
        yield f"{_digits(each)}:{each.to.replace(':', '')}"


def _over_midnight(each: OpenHours) -> bool:
    return each.to < each.from_


def _digits(each: OpenHours) -> str:
    return "".join(str(number) for number, day in enumerate(DAYS, start=1) if day in each.days)


def _group_place(key: Key, leg: str) -> Address:
    return Address(SCHEDULE_GROUPS, f"{key.name}-{leg}")
