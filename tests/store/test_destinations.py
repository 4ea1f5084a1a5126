"""Whom a campaign calls: once each attempt, over lists that change, on both databases."""

import random
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dialplane.resources.numbering import Numbering, identity
from dialplane.services.infinity.tables import destination_claims, destination_lists, destinations
from dialplane.services.infinity.tables.calls import CALLS
from dialplane.services.infinity.tables.destinations import (
    Claimed,
    Claims,
    Counts,
    Destination,
    Ending,
    ListSource,
    NewDestination,
    Settled,
    Synced,
    WantedList,
)
from dialplane.store import Store
from tests.databases import NOW

SITE = "office"
UID = "uid-1"
HOUR = timedelta(hours=1)


def number(index: int) -> str:
    return f"+1555{index:07}"


def people(count: int, first: int = 0) -> list[NewDestination]:
    return [
        NewDestination(number(index), f"case-{index}", {"name": f"n{index}"}) for index in range(first, first + count)
    ]


def wanted(
    entries: list[NewDestination] | None,
    *,
    blocked: set[str] | None = None,
    most: int = 3,
    source: ListSource = "inline",
    uid: str = UID,
) -> WantedList:
    digest = str(
        hash((tuple(map(repr, entries or ())) if source != "upload" else "", tuple(blocked or ()), most, source))
    )
    return WantedList(
        "dunning", uid, source, entries, frozenset(identity(each, None) for each in blocked or ()), most, digest
    )


def sync(store: Store, *args: object, now: object = NOW, **options: object) -> Synced | None:
    return destination_lists.sync(store, SITE, wanted(*args, **options), now=now)  # type: ignore[arg-type]


def claim(store: Store, limit: int = 10, *, after: timedelta = timedelta(0), most: int = 3, uid: str = UID) -> Claims:
    return destination_claims.claim(store, SITE, uid, limit=limit, max_attempts=most, now=NOW + after)


def end(store: Store, claimed: Claimed, ending: Ending, *, call: str | None = "", most: int = 3) -> int:
    """`call` is by default one of the claim's own."""
    call = f"call-{claimed.request_key}" if call == "" else call
    outcome = {"answered": "Answered", "missed": "NotAnswered"}.get(ending)
    settled = Settled(claimed.seq, claimed.request_key, ending, NOW + HOUR, most, call, outcome)  # type: ignore[arg-type]
    return destination_claims.settle(store, [settled], now=NOW)


def counts(store: Store, uid: str = UID) -> Counts:
    return destinations.counts(store, SITE, [uid])[uid]


def rows(store: Store, uid: str = UID) -> list[Destination]:
    return list(destinations.page(store, SITE, uid, limit=1000).destinations)


def states(store: Store) -> list[str]:
    return [row.state for row in rows(store)]


def test_a_list_is_called_in_its_order(store: Store) -> None:
    assert sync(store, people(5)) == Synced(total=5, added=5, removed=0, repeated=0, skipped=0)
    first, second = claim(store, 2), claim(store, 10)
    assert [each.number for each in first.taken] == [number(0), number(1)]
    assert [each.number for each in second.taken] == [number(2), number(3), number(4)]
    assert (first.taken[0].case_id, first.taken[0].custom) == ("case-0", {"name": "n0"})
    assert claim(store).taken == ()


def test_the_same_list_again_changes_nothing(store: Store) -> None:
    sync(store, people(3))
    assert sync(store, people(3)) is None


GERMANY = Numbering(country_code="49")


def read_as(numbering: Numbering | None, *entries: str, blocked: Iterable[str] = (), digest: str = "") -> WantedList:
    people, barred = (
        [NewDestination(each) for each in entries],
        frozenset(identity(each, numbering) for each in blocked),
    )
    said = digest or str(hash(repr((entries, blocked, numbering))))
    return WantedList("dunning", UID, "inline", people, barred, 3, said, numbering)


def test_who_is_listed_twice_in_whatever_way_is_called_once(store: Store) -> None:
    twice = read_as(GERMANY, "+4930123", "004930123", "030123")
    made = destination_lists.sync(store, SITE, twice, now=NOW)
    assert made == Synced(total=1, added=1, removed=0, repeated=2, skipped=0)
    assert [each.number for each in claim(store).taken] == ["+4930123"]


@pytest.mark.parametrize(("written", "now_written"), [("030555010", "+4930555010"), ("+4930555010", "0049 30 555010")])
def test_who_was_reached_is_not_called_again_when_the_number_is_written_or_read_otherwise(
    store: Store, written: str, now_written: str
) -> None:
    destination_lists.sync(store, SITE, read_as(None, written), now=NOW)
    [claimed] = claim(store).taken
    end(store, claimed, "answered")
    made = destination_lists.sync(store, SITE, read_as(GERMANY, now_written), now=NOW)
    assert made == Synced(total=1, added=0, removed=0, repeated=0, skipped=0)
    assert claim(store).taken == ()


def test_a_row_of_an_older_version_is_the_person_that_its_number_says(store: Store) -> None:
    destination_lists.sync(store, SITE, read_as(None, "030555010", "030555011"), now=NOW)
    with store.write() as connection:  # as they were kept: digits without the zeros in front
        connection.execute(sa.text("UPDATE campaign_destinations SET digits = ltrim(digits, '0')"))
    [first, _] = claim(store).taken
    assert first.request_key == "30555010#1"
    end(store, first, "answered")
    again = read_as(None, "030555010", "030555011", digest="another")
    assert destination_lists.sync(store, SITE, again, now=NOW) == Synced(2, 0, 0, 0, 0)
    assert states(store) == ["answered", "calling"]


def test_another_country_makes_other_people_and_breaks_no_list(store: Store) -> None:
    destination_lists.sync(store, SITE, read_as(GERMANY, "030555010"), now=NOW)
    austria = Numbering(country_code="43")
    made = destination_lists.sync(store, SITE, read_as(austria, "030555010", "+4930555010"), now=NOW)
    assert made == Synced(total=2, added=1, removed=0, repeated=0, skipped=0)
    assert {each.number for each in claim(store).taken} == {"030555010", "+4930555010"}


@pytest.mark.parametrize("blocked", ["+4930555010", "030 555 010", "0049-30-555010", "4930555010"])
def test_who_must_not_be_called_is_not_in_whatever_way_both_are_written(store: Store, blocked: str) -> None:
    for written in ("+4930555010", "030555010", "004930555010", "4930555010"):
        destination_lists.sync(store, SITE, read_as(GERMANY, written, blocked=[blocked]), now=NOW)
        assert claim(store).taken == ()


def test_who_is_added_is_called_and_who_is_removed_is_not(store: Store) -> None:
    sync(store, people(3))
    assert sync(store, people(3, first=1)) == Synced(total=3, added=1, removed=1, repeated=0, skipped=0)
    assert [each.number for each in claim(store).taken] == [number(1), number(2), number(3)]
    assert states(store) == ["skipped", "calling", "calling", "calling"]


def test_who_comes_back_goes_on_with_their_attempts(store: Store) -> None:
    sync(store, people(1))
    [claimed] = claim(store).taken
    end(store, claimed, "missed")
    sync(store, people(1, first=1))
    sync(store, people(2))
    assert [(row.state, row.attempts) for row in rows(store)] == [("waiting", 1), ("waiting", 0)]
    [again] = [each for each in claim(store, after=HOUR).taken if each.number == number(0)]
    assert again.request_key == f"{number(0)}#2"


def test_who_is_removed_while_being_called_is_not_called_again(store: Store) -> None:
    sync(store, people(1))
    [claimed] = claim(store).taken
    sync(store, people(1, first=1))
    end(store, claimed, "missed")
    assert next((row.state, row.outcome) for row in rows(store)) == ("skipped", "NotListed")


def test_a_changed_case_goes_with_the_next_call(store: Store) -> None:
    sync(store, people(1))
    changed = NewDestination(number(0), "case-9", {"name": "new"})
    assert sync(store, [changed]) == Synced(total=1, added=0, removed=0, repeated=0, skipped=0)
    [claimed] = claim(store).taken
    assert (claimed.case_id, claimed.custom) == ("case-9", {"name": "new"})


def test_who_must_not_be_called_is_skipped_until_they_may_be(store: Store) -> None:
    sync(store, people(3), blocked={"00" + number(1)[1:]})
    assert states(store) == ["waiting", "skipped", "waiting"]
    assert rows(store)[1].outcome == "DoNotCall"
    sync(store, people(3), blocked={number(2)})
    assert states(store) == ["waiting", "waiting", "skipped"]


def test_more_attempts_bring_back_who_was_not_reached_and_fewer_end_it(store: Store) -> None:
    sync(store, people(2), most=1)
    for claimed in claim(store, most=1).taken:
        end(store, claimed, "missed", most=1)
    assert states(store) == ["failed", "failed"]
    sync(store, people(2), most=2)
    assert states(store) == ["waiting", "waiting"]
    sync(store, people(2), most=1)
    assert states(store) == ["failed", "failed"]


def test_who_was_reached_stays_reached_whatever_the_list_says(store: Store) -> None:
    sync(store, people(1))
    end(store, claim(store).taken[0], "answered")
    sync(store, people(1, first=1))
    sync(store, people(1), most=9)
    assert states(store)[0] == "answered"
    assert claim(store, after=9 * HOUR, most=9).taken == ()


def test_an_uploaded_list_stays_until_another_is_uploaded(store: Store) -> None:
    sync(store, people(3), source="upload")
    assert counts(store).listed_at == NOW
    assert sync(store, None, source="upload") is None
    assert sync(store, None, source="upload", blocked={number(1)}) is not None
    assert states(store) == ["waiting", "skipped", "waiting"]
    assert sync(store, people(2), source="upload", blocked={number(1)}) == Synced(2, 0, 1, 0, 1)
    assert states(store) == ["waiting", "skipped", "skipped"]


def test_a_list_from_a_manifest_is_not_called_once_it_is_to_be_uploaded(store: Store) -> None:
    sync(store, people(3))
    sync(store, None, source="upload")
    assert (states(store), counts(store).total, counts(store).listed_at) == (["skipped"] * 3, 0, None)


def test_somebody_is_called_as_often_as_there_are_attempts(store: Store) -> None:
    sync(store, people(1))
    keys = []
    for attempt in range(3):
        [claimed] = claim(store, after=attempt * HOUR).taken
        keys.append(claimed.request_key)
        assert claim(store, after=9 * HOUR).taken == ()
        end(store, claimed, "missed")
    assert keys == [f"{number(0)}#{attempt}" for attempt in (1, 2, 3)]
    assert claim(store, after=9 * HOUR) == Claims((), None)
    assert states(store) == ["failed"]
    assert rows(store)[0].finished_at == NOW


def test_the_next_attempt_is_not_before_its_time(store: Store) -> None:
    sync(store, people(1))
    end(store, claim(store).taken[0], "missed")
    assert claim(store) == Claims((), NOW + HOUR)
    assert len(claim(store, after=HOUR).taken) == 1


def test_a_call_that_was_never_asked_for_does_not_count_and_its_key_is_not_used_again(store: Store) -> None:
    sync(store, people(1))
    [claimed] = claim(store, most=1).taken
    end(store, claimed, "given_back", most=1)
    assert [(row.state, row.attempts) for row in rows(store)] == [("waiting", 0)]
    [again] = claim(store, after=HOUR, most=1).taken
    assert again.request_key == f"{number(0)}#2"


def test_a_claim_without_a_call_is_claimed_again_under_the_same_key(store: Store) -> None:
    """Whoever held it may still ask: then both ask for one and the same call."""
    sync(store, people(1))
    [claimed] = claim(store).taken
    end(store, claimed, "given_back", call=None)
    [again] = claim(store, after=HOUR).taken
    assert again.request_key == claimed.request_key


def test_only_who_holds_the_claim_ends_it_and_once(store: Store) -> None:
    sync(store, people(1))
    [claimed] = claim(store).taken
    assert end(store, replace(claimed, request_key="15550000000#7"), "answered") == 0
    assert end(store, claimed, "missed") == 1
    assert end(store, claimed, "answered") == 0
    assert [(row.state, row.attempts) for row in rows(store)] == [("waiting", 1)]


def test_a_claim_that_turns_out_to_be_forbidden_is_skipped_and_no_attempt(store: Store) -> None:
    sync(store, people(1))
    end(store, claim(store).taken[0], "blocked", call=None)
    assert [(row.state, row.attempts, row.outcome) for row in rows(store)] == [("skipped", 0, "DoNotCall")]


def test_a_late_record_that_somebody_was_reached_ends_the_calls(store: Store) -> None:
    sync(store, people(1))
    [claimed] = claim(store).taken
    settled = Settled(claimed.seq, claimed.request_key, "missed", NOW + HOUR, 3, "call-1", "TimedOut")
    destination_claims.settle(store, [settled], now=NOW)
    [again] = claim(store, after=HOUR).taken
    assert again.last_call == "call-1"
    assert destination_claims.told_late(store, SITE) == frozenset()
    end(store, again, "given_back", call=None)
    with store.write() as connection:
        late = {**a_call(UID, claimed.request_key), "id": "call-1", "state": "released", "outcome": "Answered"}
        connection.execute(sa.insert(CALLS).values(**late))
    assert destination_claims.told_late(store, SITE) == {"call-1"}
    assert destination_claims.reached(store, SITE, "call-1")
    assert destination_claims.told_late(store, SITE) == frozenset()
    assert states(store) == ["answered"]
    assert not destination_claims.reached(store, "elsewhere", "call-1")


def test_who_turns_out_to_be_reached_before_they_are_called_again_was_called_once(store: Store) -> None:
    sync(store, people(1))
    [claimed] = claim(store).taken
    end(store, claimed, "missed")
    [again] = claim(store, after=HOUR).taken
    end(store, again, "answered", call=None)
    assert [(row.state, row.attempts, row.outcome) for row in rows(store)] == [("answered", 1, "Answered")]


def test_counts_add_up(store: Store) -> None:
    sync(store, people(6), blocked={number(5)})
    answered, missed, failed, _ = claim(store, 4).taken
    end(store, answered, "answered")
    end(store, missed, "missed")
    end(store, failed, "missed", most=1)
    found = counts(store)
    assert found == Counts(
        total=6, dialed=4, answered=1, failed=1, skipped=1, remaining=3, calling=1, due_at=NOW, finished_at=None
    )
    assert found.total == found.answered + found.failed + found.skipped + found.remaining


def test_a_campaign_that_is_over_says_since_when(store: Store) -> None:
    sync(store, people(1))
    end(store, claim(store).taken[0], "answered")
    assert (counts(store).remaining, counts(store).finished_at) == (0, NOW)


def test_campaigns_and_sites_do_not_see_each_other(store: Store) -> None:
    sync(store, people(2))
    sync(store, people(3), uid="uid-2")
    assert len(claim(store, uid="uid-2").taken) == 3
    assert (counts(store).calling, counts(store, "uid-2").calling) == (0, 3)
    assert destinations.counts(store, "elsewhere", [UID]) == {}
    assert destination_claims.under_way(store, "elsewhere") == ()


def test_a_claim_is_found_with_its_call(store: Store) -> None:
    sync(store, people(2))
    first, second = claim(store).taken
    with store.write() as connection:
        connection.execute(sa.insert(CALLS).values(**a_call(UID, first.request_key)))
        connection.execute(sa.insert(CALLS).values(**a_call("uid-2", second.request_key, "8002")))
    found = {each.seq: (each.call, each.call_state) for each in destination_claims.under_way(store, SITE)}
    assert found == {first.seq: ("call-8001", "dialing"), second.seq: (None, None)}


def a_call(uid: str, key: str, extension: str = "8001") -> dict[str, object]:
    texts = {"id": f"call-{extension}", "site": SITE, "tenant": "acme", "number": extension, "agent": "a1"}
    numbers = {"callback_number": "+15550199", "destination": number(0), "custom": {}, "campaign": "dunning"}
    times = {"dial_seconds": 60, "call_seconds": 600, "reserved_at": NOW, "answer_lost": False, "rung": "maybe"}
    return {**texts, **numbers, **times, "token": f"campaign/{uid}", "request_key": key, "state": "dialing"}


def test_pages_stand_still(store: Store) -> None:
    sync(store, people(7))
    seen, after = [], None
    while True:
        page = destinations.page(store, SITE, UID, limit=3, after=after)
        seen += [row.number for row in page.destinations]
        claim(store, 1)
        if (after := page.next) is None:
            break
    assert seen == [number(index) for index in range(7)]
    assert len(destinations.page(store, SITE, UID, limit=9, state="calling").destinations) == 3


def test_a_campaign_that_is_gone_for_long_is_forgotten_and_one_that_is_there_is_not(store: Store) -> None:
    sync(store, people(3))
    sync(store, people(3), uid="uid-2")
    later = NOW + timedelta(days=31)
    destination_lists.seen(store, SITE, {UID}, now=later)
    assert destination_lists.prune(store, SITE, now=later, older_than=timedelta(days=30)) == 3
    assert destinations.counts(store, SITE, [UID, "uid-2"]).keys() == {UID}


def test_what_is_being_called_is_not_forgotten(store: Store) -> None:
    sync(store, people(3))
    claim(store, 1)
    assert destination_lists.prune(store, SITE, now=NOW + timedelta(days=31), older_than=timedelta(days=30)) == 2
    assert counts(store).calling == 1


def test_no_destination_is_claimed_twice_by_claimers_at_once(store: Store) -> None:
    """Threads claim, end and give back at random while the list changes; an audit counts what each was told to call."""
    sync(store, people(60), most=2)
    told: list[str] = []
    random_seeds = range(4)

    def work(seed: int) -> None:
        choose = random.Random(seed)  # noqa: S311 -- chooses what happens, guards nothing
        for turn in range(40):
            for claimed in claim(store, choose.randint(1, 5), after=turn * HOUR, most=2).taken:
                told.append(claimed.request_key)
                end(store, claimed, choose.choice(["answered", "missed", "missed"]), most=2)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in random_seeds]
    for thread in threads:
        thread.start()
    sync(store, people(50, first=10), most=2)
    for thread in threads:
        thread.join(120)
    assert max(Counter(told).values()) == 1
    assert all(key.endswith(("#1", "#2")) for key in told)
    assert {key.split("#")[0] for key in told} >= {number(index) for index in range(10, 60)}


def test_who_waits_without_an_attempt_left_has_failed(store: Store) -> None:
    """Their claim ended while the manifest, and so the number of attempts, could not be read."""
    sync(store, people(1), most=1)
    (claimed,) = destination_claims.claim(store, SITE, UID, limit=5, max_attempts=1, now=NOW).taken
    settled = Settled(claimed.seq, claimed.request_key, "missed", NOW + HOUR, 10, "call-1", "NotAnswered")
    destination_claims.settle(store, [settled], now=NOW)
    early = destination_claims.claim(store, SITE, UID, limit=5, max_attempts=1, now=NOW)
    assert early == Claims((), NOW + HOUR, 0)
    late = destination_claims.claim(store, SITE, UID, limit=5, max_attempts=1, now=NOW + HOUR)
    assert late == Claims((), None, 1)
    counts = destinations.counts(store, SITE, [UID])[UID]
    assert (counts.remaining, counts.failed, counts.finished_at) == (0, 1, NOW + HOUR)
