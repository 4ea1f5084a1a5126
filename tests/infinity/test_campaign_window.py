"""Calling windows, compared with somebody who looks at the clock on the wall every minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialplane.resources.schedule import OpenHours
from dialplane.services.infinity.campaign.window import CallingWindow

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = timedelta(minutes=1)
# Clocks that are changed by an hour, by half an hour, at midnight, and one that skipped a whole day.
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Pacific/Apia")
# Around changes of those clocks, and an ordinary week.
STARTS = tuple(
    datetime(*each, tzinfo=UTC)
    for each in (
        (2026, 3, 27),
        (2026, 10, 24),
        (2026, 4, 4),
        (2026, 9, 5),
        (2026, 6, 1),
        (2011, 12, 28),
        (2026, 12, 30),
    )
)
HOURS = st.builds(
    lambda days, begin, end: OpenHours.model_validate(
        {"days": tuple(sorted(days)), "from": clock(begin), "to": clock(end if end != begin else 1440)}
    ),
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1440),
)
HOLIDAYS = st.sampled_from(
    ("2026-03-28", "03-29", "2026-10-25", "10-26", "04-05", "2026-09-06", "12-31", "01-01", "2011-12-31", "06-02")
)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def hours(*days: str, begin: str = "09:00", end: str = "17:00") -> OpenHours:
    return OpenHours.model_validate({"days": days or DAYS, "from": begin, "to": end})


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def is_open(window: CallingWindow, moment: datetime) -> bool:
    """By the words of the manifest's reference, one after the other."""
    local = moment.astimezone(ZoneInfo(window.zone))
    now = local.strftime("%H:%M")

    def closed(day: date) -> bool:
        return bool({day.isoformat(), day.strftime("%m-%d")} & {*window.holidays})

    today, yesterday = local.date(), local.date() - timedelta(days=1)
    if closed(today):
        return False
    for each in window.hours:
        over_midnight = each.to < each.from_
        if DAYS[today.weekday()] in each.days and each.from_ <= now and (over_midnight or now < each.to):
            return True
        if over_midnight and DAYS[yesterday.weekday()] in each.days and not closed(yesterday) and now < each.to:
            return True
    return not window.hours


@settings(max_examples=120, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    of_week=st.lists(HOURS, max_size=3),
    holidays=st.sets(HOLIDAYS, max_size=3),
    start=st.sampled_from(STARTS),
    late=st.integers(0, 3 * 1440),
)
@example(zone="Europe/Berlin", of_week=[hours(begin="02:30", end="02:45")], holidays=set(), start=STARTS[0], late=0)
@example(zone="Europe/Berlin", of_week=[hours(begin="02:10", end="02:20")], holidays=set(), start=STARTS[1], late=1560)
@example(zone="Pacific/Apia", of_week=[], holidays={"2011-12-31"}, start=STARTS[5], late=0)
@example(
    zone="Europe/Berlin", of_week=[hours("sun", begin="00:00", end="24:00")], holidays=set(), start=STARTS[0], late=0
)
def test_the_window_is_what_a_look_at_the_clock_every_minute_says(
    zone: str, of_week: list[OpenHours], holidays: set[str], start: datetime, late: int
) -> None:
    window = CallingWindow(zone, tuple(of_week), tuple(sorted(holidays)))
    begin = start + late * MINUTE
    walk = [begin + step * MINUTE for step in range(3 * 1440)]
    expected = next((moment for moment in walk if is_open(window, moment)), None)
    for moment in walk[::17]:
        assert window.open_at(moment) == is_open(window, moment), moment
    found = window.next_open(begin)
    if expected is None:
        assert found is None or found > walk[-1]
    else:
        assert found == expected


@settings(max_examples=40, deadline=None)
@given(
    of_week=st.lists(HOURS, min_size=1, max_size=2), asked=st.lists(st.integers(0, 9 * 1440), min_size=2, max_size=5)
)
def test_an_answer_that_is_remembered_is_the_answer(of_week: list[OpenHours], asked: list[int]) -> None:
    window = CallingWindow("Europe/Berlin", tuple(of_week))
    for late in asked:
        moment = STARTS[0] + late * MINUTE
        assert window.next_open(moment) == CallingWindow("Europe/Berlin", tuple(of_week)).next_open(moment)


@pytest.mark.parametrize(
    ("window", "asked", "opens"),
    [
        (hours("mon"), "2026-06-01T08:59", "2026-06-01T09:00"),
        (hours("mon"), "2026-06-01T09:00", "2026-06-01T09:00"),
        (hours("mon"), "2026-06-01T17:00", "2026-06-08T09:00"),
        (hours("fri", begin="22:00", end="02:00"), "2026-06-06T01:59", "2026-06-06T01:59"),
        (hours("fri", begin="22:00", end="02:00"), "2026-06-06T02:00", "2026-06-12T22:00"),
        (hours(begin="02:30", end="03:30"), "2026-03-29T00:00", "2026-03-29T03:00"),
    ],
    ids=["before", "at", "after", "over-midnight", "its-end", "an-hour-that-is-left-out"],
)
def test_when_it_opens_next(window: OpenHours, asked: str, opens: str) -> None:
    assert CallingWindow("Europe/Berlin", (window,)).next_open(at(asked)) == at(opens)


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    window = CallingWindow("Europe/Berlin", (hours(begin="02:00", end="02:30"),))
    first, second = at("2026-10-25T02:00"), at("2026-10-25T02:00", fold=1)
    assert window.next_open(first - MINUTE) == first.astimezone(UTC)
    assert window.next_open(first + 30 * MINUTE) == second.astimezone(UTC)
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)


def test_hours_that_would_begin_on_a_holiday_do_not_go_on_after_it() -> None:
    window = CallingWindow("Europe/Berlin", (hours(begin="22:00", end="06:00"),), ("12-25",))
    assert window.open_at(at("2026-12-24T23:00"))
    assert not window.open_at(at("2026-12-25T00:00"))
    assert not window.open_at(at("2026-12-26T01:00"))
    assert window.next_open(at("2026-12-25T00:00")) == at("2026-12-26T22:00")


def test_without_hours_it_is_open_but_on_holidays() -> None:
    window = CallingWindow("Europe/Berlin", (), ("2026-12-25",))
    assert window.next_open(at("2026-12-25T10:00")) == at("2026-12-26T00:00")


def test_a_window_that_never_opens_says_so() -> None:
    every_day = tuple(f"{month:02}-{day:02}" for month in (2,) for day in range(1, 30))
    window = CallingWindow("UTC", (hours("mon"),), every_day)
    assert window.next_open(datetime(2026, 2, 1, tzinfo=UTC)) == datetime(2026, 3, 2, 9, tzinfo=UTC)
    year = [(date(2028, 1, 1) + timedelta(days=index)).strftime("%m-%d") for index in range(366)]
    assert CallingWindow("UTC", (hours(),), tuple(year)).next_open(datetime(2026, 2, 1, tzinfo=UTC)) is None
