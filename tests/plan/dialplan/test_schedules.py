from typing import Any

import pytest

from tests.plan.dialplan.sites import EVERY_DAY, contexts, extension, lines, schedule, site


def arguments(**spec: Any) -> list[str]:
    of = site([extension("101")], schedules=[schedule("hours", **spec)], timeZone="Europe/Berlin")
    line = lines(of, "dp-schedules")["hours"]
    return line.removeprefix("Gosub(dp-schedule,s,1(").removesuffix("))").split(",")


@pytest.mark.parametrize(
    ("hours", "windows", "tails"),
    [
        ({"days": ["mon", "fri"], "from": "09:00", "to": "17:00"}, "15:0900:1700", ""),
        ({"days": ["sun"], "from": "00:00", "to": "24:00"}, "7:0000:2400", ""),
        ({"days": ["fri"], "from": "22:00", "to": "06:00"}, "5:2200:2400", "5:0600"),
        ({"days": ["fri"], "from": "18:00", "to": "00:00"}, "5:1800:2400", ""),
        ({"days": EVERY_DAY, "from": "22:00", "to": "02:30"}, "1234567:2200:2400", "1234567:0230"),
    ],
)
def test_hours_belong_to_the_day_they_begin_on(hours: dict[str, Any], windows: str, tails: str) -> None:
    assert arguments(open=[hours])[2:4] == [windows, tails]


def test_holidays_are_sorted_whether_of_a_year_or_of_every_year() -> None:
    assert arguments(holidays=["12-25", "2026-04-03", "01-01"])[1] == "0101&1225&20260403"


@pytest.mark.parametrize(("own", "expected"), [({}, "Europe/Berlin"), ({"timeZone": "Asia/Tokyo"}, "Asia/Tokyo")])
def test_the_time_zone_is_the_schedules_or_the_sites(own: dict[str, str], expected: str) -> None:
    assert arguments(**own)[0] == expected


def test_a_way_that_leads_nowhere_ends_the_call() -> None:
    assert arguments(whenOpen={"extension": "999"})[4:6] == ["dp-end", "s"]


def test_the_longest_schedule_fits_a_line() -> None:
    holidays = [f"20{year}-{month:02}-{day:02}" for year in range(26, 36) for month in (1, 2) for day in range(1, 14)]
    windows = [{"days": EVERY_DAY, "from": f"{n // 4:02}:{n % 4 * 15 + 5:02}", "to": "00:01"} for n in range(64)]
    of = site([extension("101")], schedules=[schedule("long", holidays=holidays[:256], open=windows)])
    (entry,) = contexts(of)["dp-schedules"].entries
    assert len(entry.arguments) < 7_000
