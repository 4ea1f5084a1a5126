"""Dates as they are spoken or written, by today's date. Pure.

A date without a year is the next one there is, today included; a weekday is the next one, today excluded.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from dialplane.services.voicebot.dialogue.lexicon import LAST_DAY, Lexicon
from dialplane.services.voicebot.dialogue.spoken_numbers import digits_of
from dialplane.services.voicebot.dialogue.wording import places, words_of

_ISO: Final = re.compile(r"\b([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})\b")
_FIGURES: Final = re.compile(r"\b([0-9]{1,2})([./-])\s?([0-9]{1,2})(?:\2\s?([0-9]{4}|[0-9]{2})\b|\.(?![0-9])|\b)")
_ORDINAL: Final = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?\Z")
_CENTURY: Final = 100
_YEAR_DIGITS: Final = 4
_YEARS_TO_COME: Final = 20
"""A year of two digits is not later than that."""
_DECEMBER: Final = 12
_YEARS_AHEAD: Final = 8
"""Until the next 29 February at the latest."""
_MOST_DAYS: Final = 3660


def date_of(text: str, words: Lexicon, today: date, *, month_first: bool) -> date | None:
    """Return the date that an answer names; None where it names none, or one that does not exist."""
    if found := _ISO.search(text):
        return _date(int(found[1]), int(found[2]), int(found[3]))
    if found := _FIGURES.search(text):
        first, second = int(found[1]), int(found[3])
        if found[2] == ".":
            month_first = False
        month, day = (first, second) if month_first and first <= _DECEMBER else (second, first)
        if month > _DECEMBER:
            month, day = day, month
        return _on(day, month, _full_year(found[4], today), today)
    said = words_of(text)
    return _relative(said, words, today) or _absolute(said, words, today)


def _relative(said: Sequence[str], words: Lexicon, today: date) -> date | None:
    for phrase in sorted(words.days, key=lambda each: -len(each.split())):
        for place in places(phrase.split(), said):
            if _only_fillers([*said[: place.start], *said[place.stop :]], words):
                return today + timedelta(words.days[phrase])
    for at, word in enumerate(said):
        if word in words.weekdays and not _more_than_a_weekday(said, words):
            ahead = (words.weekdays[word] - today.weekday() - 1) % 7 + 1
            return today + timedelta(ahead)
        if word in words.ahead and at + 2 < len(said) and said[at + 2] in words.spans:
            count = _count(said[at + 1], words)
            if count is not None and count * words.spans[said[at + 2]] <= _MOST_DAYS:
                return today + timedelta(count * words.spans[said[at + 2]])
    return None


def _absolute(said: Sequence[str], words: Lexicon, today: date) -> date | None:
    months = [at for at, word in enumerate(said) if word in words.months]
    if len(months) > 1:
        return None
    for place, day in _days(said, words, months):
        after = said[max(place.stop, months[0] + 1 if months else 0) :]
        year = _year(after, words, today)
        if months:
            return _on(day, words.months[said[months[0]]], year, today)
        around = [word for word in (*said[: place.start], *said[place.stop :]) if word not in words.weekdays]
        if _only_fillers(around, words):
            return _next_day(day, today)
    return None


def _days(said: Sequence[str], words: Lexicon, months: Sequence[int]) -> Iterator[tuple[range, int]]:
    """Yield days of a month, and where they stand: `third`, `twenty first`, `3rd`, and beside a month `three`."""
    for phrase in sorted(words.ordinals, key=lambda each: -len(each.split())):
        for place in places(phrase.split(), said):
            yield place, words.ordinals[phrase]
    for at, word in enumerate(said):
        figures = _ORDINAL.match(word)
        if figures and (months or figures[0] != figures[1]):
            yield range(at, at + 1), int(figures[1])
    for month in months:
        after = month + 2 if said[month + 1 : month + 2] and said[month + 1] in words.fillers else month + 1
        for length in (2, 1):
            for start in (after, month - length, month - length - 1):
                group = said[max(start, 0) : start + length]
                number = digits_of(" ".join(group), words) if len(group) == length and start >= 0 else None
                beyond = said[start + length : start + length + 1]
                if not words.thousand.isdisjoint(beyond):
                    continue  # a year
                if number and not set(group) & words.fillers and int(number) <= LAST_DAY:
                    yield range(start, start + length), int(number)


def _year(after: Sequence[str], words: Lexicon, today: date) -> int | None:
    kept = [word for word in after if word not in words.fillers]
    number = digits_of(" ".join(kept), words) if kept else None
    return _full_year(number, today)


def _full_year(number: str | None, today: date) -> int | None:
    if number is None or len(number) not in {2, _YEAR_DIGITS}:
        return None
    year = int(number) if len(number) == _YEAR_DIGITS else today.year - today.year % _CENTURY + int(number)
    return year if len(number) == _YEAR_DIGITS or year <= today.year + _YEARS_TO_COME else year - _CENTURY


def _on(day: int, month: int, year: int | None, today: date) -> date | None:
    if year is not None:
        return _date(year, month, day)
    dates = (_date(today.year + ahead, month, day) for ahead in range(_YEARS_AHEAD + 1))
    return next((each for each in dates if each is not None and each >= today), None)


def _next_day(day: int, today: date) -> date | None:
    months = ((today.year + (today.month - 1 + ahead) // 12, (today.month - 1 + ahead) % 12 + 1) for ahead in range(3))
    dates = (_date(year, month, day) for year, month in months)
    return next((each for each in dates if each is not None and each >= today), None)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _count(word: str, words: Lexicon) -> int | None:
    if word in words.one:
        return 1
    number = digits_of(word, words)
    return int(number) if number and len(number) <= _YEAR_DIGITS else None


def _only_fillers(said: Sequence[str], words: Lexicon) -> bool:
    return all(word in words.fillers or word in words.coming for word in said)


def _more_than_a_weekday(said: Sequence[str], words: Lexicon) -> bool:
    """Whether a weekday only goes with a date (`Monday, the third of May`), or is of another week."""
    return any(word in words.months or word in words.ordinals or word in words.spans for word in said)
