"""Schedule: where inbound calls go by the time of day."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from dialplane.resources.base import Part, Spec
from dialplane.resources.destination import Destination
from dialplane.resources.fields import DISTINCT, ClockTime, ClosingTime, HolidayDate, TimeZone, Weekday
from dialplane.resources.kind import AGE, READY, WHY, Kind
from dialplane.resources.rule import Rule
from dialplane.resources.status import Status


class OpenHours(Part):
    """Hours of some weekdays."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="schedule-hours",
            message="from and to must differ; the whole day is from 00:00 to 24:00",
            field="to",
            cel="self.from != self.to",
            holds=lambda hours: hours.from_ != hours.to,
        ),
    )

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7), DISTINCT]
    """The weekdays, such as `[mon, tue]`."""
    from_: ClockTime = Field(alias="from")
    """Open from this time on, `"HH:MM"`, quoted."""
    to: ClosingTime
    """Open until just before this time, `"HH:MM"`, quoted. Earlier than `from` it is on the next day; the hours then
    belong to the day they begin on."""


class ScheduleSpec(Spec):
    """Opening hours that send calls one way or the other."""

    time_zone: TimeZone | None = None
    """The time zone of the hours, such as `Europe/Berlin`. By default the Asterisk's."""
    open: Annotated[tuple[OpenHours, ...], Field(max_length=64)] = ()
    """When it is open; empty: never."""
    holidays: Annotated[tuple[HolidayDate, ...], Field(max_length=256), DISTINCT] = ()
    """Days on which it is closed all day: `"2026-04-03"`, or every year `"12-25"`, quoted. Hours that began the evening
    before end at midnight."""
    when_open: Destination
    """Where calls go while it is open: exactly one of these."""
    when_closed: Destination
    """Where calls go otherwise: exactly one of these."""


class ScheduleStatus(Status):
    """Whether the schedule is in the running dialplan: see its conditions."""


KIND: Final = Kind(
    name="Schedule",
    plural="schedules",
    singular="schedule",
    short_names=("sched",),
    spec=ScheduleSpec,
    status=ScheduleStatus,
    columns=(READY, AGE, *WHY),
    description="Opening hours that send inbound calls one way or the other.",
    rendered=True,
)
