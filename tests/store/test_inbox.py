"""The inbox: every message once, pages that stand still, and an end to what is old."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dialplane.services.sms.tables import inbox
from dialplane.services.sms.tables.inbox import Filter, Received, derived_id
from dialplane.store import Store, events
from dialplane.store.events import NewEvent
from tests.databases import NOW

SITE = "office"
NUMBERS = itertools.count()


def message(number: int, **changes: object) -> Received:
    made = Received(derived_id(SITE, f"{number}.1", ""), SITE, "gsm1", "+15550100", f"text {number}", NOW, NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


def told(found: Received) -> NewEvent:
    return NewEvent(SITE, "sms.received", "Dongle", found.dongle, NOW, {"id": found.id, "text": found.text})


def add(store: Store, *messages: Received) -> frozenset[str]:
    return inbox.add(store, {found: [told(found)] for found in messages})


def texts(store: Store, only: Filter | None = None) -> list[str]:
    return [found.text for found in inbox.page(store, SITE, only or Filter(), limit=500).messages]


def walk(store: Store, limit: int) -> Iterator[tuple[Received, ...]]:
    before = None
    while True:
        page = inbox.page(store, SITE, Filter(), limit=limit, before=before)
        yield page.messages
        if page.next is None:
            return
        before = page.next


def test_a_message_that_is_read_twice_is_there_once_and_told_once(store: Store) -> None:
    assert add(store, message(1)) == {message(1).id}
    assert add(store, message(1), message(2)) == {message(2).id}
    assert texts(store) == ["text 2", "text 1"]
    assert [event.data["text"] for event in events.take(store, SITE)] == ["text 1", "text 2"]


def test_what_came_in_over_a_weekend_is_kept_at_once(store: Store) -> None:
    messages = [message(number) for number in range(8_000)]
    assert len(add(store, *messages)) == len(messages)
    assert add(store, *messages, message(8_000)) == {message(8_000).id}
    assert texts(store)[:2] == ["text 8000", "text 7999"]


def test_readers_at_once_store_a_message_once(store: Store) -> None:
    messages = [message(number) for number in range(40)]
    new: list[str] = []

    def read() -> None:
        for found in messages:
            new.extend(add(store, found))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(new) == sorted(found.id for found in messages)
    assert len(events.take(store, SITE, 1000)) == 40


def test_the_message_and_its_event_are_there_together_or_not_at_all(store: Store) -> None:
    class Unwritable:
        pass

    broken = NewEvent(SITE, "sms.received", "Dongle", "gsm1", NOW, {"text": Unwritable()})
    with pytest.raises(Exception, match="Unwritable"):
        inbox.add(store, {message(1): [broken]})
    assert texts(store) == []


def test_pages_stand_still_while_messages_arrive_and_old_ones_go(store: Store) -> None:
    add(store, *[message(number) for number in range(10)])
    seen: list[str] = []
    for number, page in enumerate(walk(store, 3)):
        seen += [found.text for found in page]
        add(store, message(100 + number))
    assert seen == [f"text {number}" for number in reversed(range(10))]


def test_a_page_that_ends_exactly_at_the_last_message_is_the_last(store: Store) -> None:
    add(store, *[message(number) for number in range(6)])
    assert [len(page) for page in walk(store, 3)] == [3, 3]


def test_filters_choose_by_dongle_sender_and_time(store: Store) -> None:
    later = NOW + timedelta(hours=2)
    add(store, message(1), message(2, dongle="gsm2"), message(3, sender="ACME"), message(4, received_at=later))
    assert texts(store, Filter(dongle="gsm2")) == ["text 2"]
    assert texts(store, Filter(sender="ACME")) == ["text 3"]
    assert texts(store, Filter(since=NOW + timedelta(hours=1))) == ["text 4"]


def test_sites_do_not_see_each_other(store: Store) -> None:
    add(store, message(1))
    assert inbox.get(store, "elsewhere", message(1).id) is None
    assert inbox.page(store, "elsewhere", Filter(), limit=10).messages == ()
    assert inbox.counts(store, "elsewhere") == {}
    assert inbox.prune(store, "elsewhere", now=NOW + timedelta(days=9), older_than=timedelta(0), more_than=0) == 0


def test_messages_are_counted_by_dongle(store: Store) -> None:
    add(store, message(1), message(2), message(3, dongle="gsm2"))
    assert inbox.counts(store, SITE) == {"gsm1": 2, "gsm2": 1}


@pytest.mark.parametrize(
    ("older_than", "more_than", "left"),
    [
        (timedelta(days=30), 100, 6),
        (timedelta(days=3), 100, 3),
        (timedelta(days=30), 2, 2),
        (timedelta(days=3), 2, 2),
        (timedelta(0), 0, 1),
    ],
    ids=["neither", "age", "count", "both", "never-the-last-hour"],
)
def test_retention_is_by_age_and_by_count(store: Store, older_than: timedelta, more_than: int, left: int) -> None:
    now = NOW + timedelta(minutes=30)
    add(store, *[message(days, stored_at=NOW - timedelta(days=days)) for days in (5, 4, 3, 2, 1, 0)])
    gone = inbox.prune(store, SITE, now=now, older_than=older_than, more_than=more_than)
    assert (gone, len(texts(store))) == (6 - left, left)
    assert inbox.prune(store, SITE, now=now, older_than=older_than, more_than=more_than) == 0


def test_a_cursor_still_works_when_its_message_was_forgotten(store: Store) -> None:
    add(store, *[message(number, stored_at=NOW - timedelta(days=9 - number)) for number in range(6)])
    page = inbox.page(store, SITE, Filter(), limit=2)
    inbox.prune(store, SITE, now=NOW, older_than=timedelta(days=30), more_than=3)
    left = inbox.page(store, SITE, Filter(), limit=9, before=page.next)
    assert [found.text for found in left.messages] == ["text 3"]


CHARACTERS = st.characters(exclude_categories=["Cs"])
ODD = st.sampled_from(
    ["\0", "\x10", "\x100", "'", '"', "\\", "${EXTEN}", ";", "%s", "😀", "你好", "\r\n", "\u202e", "{{ 7 }}"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.one_of(ODD, st.text(CHARACTERS, max_size=20)), max_size=30).map("".join))
@example(text="\0")
@example(text="\x100\x10\x10")
@example(text="ä😀你\0'" * 1000)
def test_any_text_comes_out_as_it_went_in(store: Store, text: str) -> None:
    found = message(next(NUMBERS), text=text, sender=text[:30])
    add(store, found)
    assert inbox.get(store, SITE, found.id) == found
    assert events.take(store, SITE, 10_000)[-1].data["text"] == text


def test_half_a_surrogate_pair_does_no_harm(store: Store) -> None:
    add(store, message(1, text="a\ud83dz"))
    assert texts(store) == ["a\ufffdz"]
