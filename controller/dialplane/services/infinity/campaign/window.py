"""When a campaign may call. Pure: moments in, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from dialplane.resources.schedule import OpenHours

LOOK_AHEAD: Final = 400
"""Days in which it must open, else it never does: longer than a year of yearly holidays."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = timedelta(days=1)
_MINUTES: Final = 24 * 60
_LAST_NOON: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=LOOK_AHEAD + 2)


@dataclass(frozen=True)
class CallingWindow:
    """Hours of weekdays in a time zone, but not on holidays; as a Schedule understands them.

    It goes by the clock on the wall: hours that a clock change leaves out are not there, and those that come twice are
    open twice.
    """

    zone: str
    """Its name in the tz database."""
    hours: tuple[OpenHours, ...] = ()
    """Empty: all day, every day."""
    holidays: tuple[str, ...] = ()
    """`YYYY-MM-DD` or `MM-DD`: closed all day; hours that would begin then do not, also after midnight."""

    def open_at(self, moment: datetime) -> bool:
        """Whether it is open then."""
        local = moment.astimezone(self._zone)
        day = local.date()
        if self._holiday(day):
            return False
        if not self.hours:
            return True
        minute = local.hour * 60 + local.minute
        return any(
            self._began_today(day, minute, each) or self._began_yesterday(day, minute, each) for each in self.hours
        )

    def next_open(self, moment: datetime) -> datetime | None:
        """The first moment from then on at which it is open; None where there is none for more than a year."""
        if self.open_at(moment):
            return moment
        asked, found = self._found.get("next", (moment, moment))
        if asked <= moment < (found or asked + _DAY):  # closed all the time since that was asked
            return found
        found = self._search(moment)
        self._found["next"] = (moment, found)
        return found

    def _search(self, moment: datetime) -> datetime | None:
        first = min(moment, _LAST_NOON).astimezone(self._zone).date()
        for ahead in range(LOOK_AHEAD):
            starts = sorted(start for start in self._starts(first + ahead * _DAY) if start > moment)
            found = next((start for start in starts if self.open_at(start)), None)
            if found is not None:
                return found
        return None

    @cached_property
    def _found(self) -> dict[str, tuple[datetime, datetime | None]]:
        """The last search: a campaign asks again and again, and one that never opens is searched for a year."""
        return {}

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _holiday(self, day: date) -> bool:
        text = day.isoformat()
        return text in self._closed or text[5:] in self._closed

    @cached_property
    def _closed(self) -> frozenset[str]:
        return frozenset(self.holidays)

    @staticmethod
    def _began_today(day: date, minute: int, each: OpenHours) -> bool:
        begin, end = _minute(each.from_), _minute(each.to)
        return _DAYS[day.weekday()] in each.days and begin <= minute < (end if end > begin else _MINUTES)

    def _began_yesterday(self, day: date, minute: int, each: OpenHours) -> bool:
        begin, end = _minute(each.from_), _minute(each.to)
        before = day - _DAY
        over = _DAYS[before.weekday()] in each.days and end < begin and minute < end
        return over and not self._holiday(before)

    def _starts(self, day: date) -> Iterator[datetime]:
        """Every moment of that day at which it could open: hours begin, midnight, the clock changes."""
        for minute in {0, *(_minute(each.from_) for each in self.hours)}:
            local = datetime.combine(day, time(minute // 60, minute % 60), self._zone)
            for fold in (0, 1):
                moment = local.replace(fold=fold).astimezone(UTC)
                if moment.astimezone(self._zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    yield moment
        midnight = datetime.combine(day, time(), UTC)
        # A day of the zone is within 14 hours before and 12 after the day of UTC, so it is looked at twice.
        for begin in (midnight - _DAY, midnight, midnight + _DAY):
            for change in self._clock_change(begin, begin + _DAY):
                if change.astimezone(self._zone).date() == day:
                    yield change

    def _clock_change(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """The second in that time at which the clock is changed, if it is."""
        before = begin.astimezone(self._zone).utcoffset()
        if end.astimezone(self._zone).utcoffset() == before:
            return
        while end - begin > timedelta(seconds=1):
            middle = begin + timedelta(seconds=(end - begin) // timedelta(seconds=2))
            if middle.astimezone(self._zone).utcoffset() == before:
                begin = middle
            else:
                end = middle
        yield end


def _minute(text: str) -> int:
    """Of a day, from `HH:MM`; 24:00 is the day's end."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
