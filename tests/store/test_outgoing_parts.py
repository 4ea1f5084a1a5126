"""What may happen to a message to send, and what may not, on both databases."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialplane.services.sms.tables import outgoing
from dialplane.services.sms.tables import outgoing_parts as parts
from dialplane.services.sms.tables.outgoing import NewOutgoing, Outgoing
from dialplane.services.sms.tables.outgoing_parts import Claim
from dialplane.store import Store, events

SITE = "office"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OUT = frozenset({"out"})
NOBODY: frozenset[str] = frozenset()


def put(store: Store, uid: str, texts: Iterable[str] = ("hello",), **asked: Any) -> Outgoing:
    where = asked or {"dongle": "one"}
    new = NewOutgoing(SITE, "resource", uid, "+15550100", "".join(texts), name=uid, validity=HOUR, **where)
    return outgoing.enqueue(store, new, list(texts), now=NOW).message


def take(store: Store, dongle: str = "one", groups: frozenset[str] = NOBODY, now: datetime = NOW) -> Claim | None:
    return parts.claim(store, SITE, dongle, groups, now=now)


def taken(store: Store, dongle: str = "one", groups: frozenset[str] = NOBODY) -> Claim:
    claim = take(store, dongle, groups)
    assert claim is not None
    return claim


def state(store: Store, message: Outgoing) -> Outgoing:
    found = outgoing.get(store, SITE, message.id)
    assert found is not None
    return found


def test_a_source_puts_a_message_in_once(store: Store) -> None:
    assert put(store, "a") == put(store, "a")


def test_a_part_is_claimed_once_and_the_eldest_first(store: Store) -> None:
    first, second = put(store, "a"), put(store, "b")
    assert [taken(store).message.id for _ in range(2)] == [first.id, second.id]
    assert take(store) is None


def test_a_dongle_gets_its_own_and_its_groups_messages(store: Store) -> None:
    put(store, "a", dongle="two")
    group = put(store, "b", group="out")
    assert take(store, "one") is None
    assert taken(store, "one", OUT).message.id == group.id


def test_the_next_part_waits_for_the_one_before_and_stays_with_its_dongle(store: Store) -> None:
    put(store, "a", ("first", "second"), group="out")
    claim = taken(store, "one", OUT)
    assert take(store, "two", OUT) is None
    parts.accepted(store, claim.payload, now=NOW)
    assert take(store, "two", OUT) is None
    assert taken(store, "one", OUT).text == "second"


def test_after_a_lost_answer_no_part_follows_until_a_report_clears_it_up(store: Store) -> None:
    message = put(store, "a", ("first", "second"))
    claim = taken(store)
    parts.lost(store, claim.payload, error="cut", now=NOW)
    assert state(store, message).phase == "Unknown"
    assert take(store) is None
    parts.reported(store, claim.payload, "delivered", now=NOW)
    assert taken(store).text == "second"


def test_a_refusal_leaves_the_message_to_the_others_of_its_group(store: Store) -> None:
    message = put(store, "a", group="out")
    others = frozenset({"one", "two"})
    parts.refused(store, taken(store, "one", OUT).payload, error="no", others=others, now=NOW)
    assert take(store, "one", OUT) is None
    parts.refused(store, taken(store, "two", OUT).payload, error="never", others=others, now=NOW)
    assert (state(store, message).phase, state(store, message).error) == ("Failed", "never")


def test_nobody_else_is_asked_once_a_part_was_taken(store: Store) -> None:
    message = put(store, "a", ("first", "second"), group="out")
    parts.accepted(store, taken(store, "one", OUT).payload, now=NOW)
    parts.refused(store, taken(store, "one", OUT).payload, error="no", others=frozenset({"two"}), now=NOW)
    assert state(store, message).phase == "Failed"
    assert take(store, "two", OUT) is None


def test_a_dongle_out_of_service_gives_it_back_and_may_have_it_again(store: Store) -> None:
    put(store, "a", group="out")
    parts.put_back(store, taken(store, "one", OUT).payload, now=NOW)
    parts.put_back(store, taken(store, "two", OUT).payload, now=NOW)
    assert taken(store, "one", OUT).message.attempts == 3


def test_why_it_was_given_back_is_known_until_somebody_takes_it(store: Store) -> None:
    message = put(store, "a")
    parts.put_back(store, taken(store).payload, now=NOW, error="permission denied")
    assert state(store, message).error == "permission denied"
    parts.accepted(store, taken(store).payload, now=NOW)
    assert state(store, message).error is None


def test_an_answer_that_is_noted_twice_takes_nothing_from_the_dongle_that_was_asked_next(store: Store) -> None:
    message = put(store, "a", group="out")
    others = frozenset({"one", "two", "three"})
    first = taken(store, "one", OUT)
    parts.put_back(store, first.payload, now=NOW)
    second = taken(store, "two", OUT)
    parts.put_back(store, first.payload, now=NOW)  # its first commit was done, though the line broke
    assert take(store, "three", OUT) is None
    parts.refused(store, second.payload, error="no", others=others, now=NOW)
    taken(store, "three", OUT)
    parts.refused(store, second.payload, error="no", others=frozenset(), now=NOW)
    assert take(store, "one", OUT) is None
    assert state(store, message).phase == "Queued"


def test_what_a_process_had_under_way_when_it_ended_is_unknown(store: Store) -> None:
    message = put(store, "a")
    taken(store)
    assert [each.phase for each in parts.recover(store, SITE, now=NOW)] == ["Unknown"]
    assert state(store, message).finished_at is None
    assert take(store) is None


def test_what_was_claimed_long_ago_and_is_not_under_way_is_unknown(store: Store) -> None:
    later = NOW + timedelta(minutes=1)
    for uid in ("left", "slow", "new"):
        put(store, uid)
    _, slow, _ = taken(store), taken(store), take(store, now=later)
    found = parts.recover(store, SITE, now=later, before=later, but=frozenset({slow.payload}))
    assert [(each.name, each.phase) for each in found] == [("left", "Unknown")]


def test_no_message_is_over_while_a_part_of_it_may_still_be_sent(store: Store) -> None:
    message = put(store, "a")
    payload = taken(store).payload
    end = NOW + 2 * HOUR
    assert parts.conclude(store, SITE, now=end, grace=HOUR) == ()
    parts.put_back(store, payload, now=end)
    assert parts.conclude(store, SITE, now=end, grace=HOUR) == ()
    assert state(store, message).finished_at is None


@pytest.mark.parametrize(
    ("happened", "phase"),
    [
        (("accepted",), "Queued"),
        (("sent", "accepted"), "Sent"),
        (("delivered", "sent"), "Delivered"),
        (("lost", "sent"), "Sent"),
        (("sent", "lost"), "Sent"),
        (("accepted", "failed", "sent"), "Failed"),
        (("sent", "expired"), "Expired"),
        (("accepted", "unreported"), "Sent"),
        (("lost", "unreported"), "Sent"),
        (("unreported", "delivered"), "Delivered"),
        (("unreported", "failed"), "Failed"),
        (("expired", "delivered"), "Delivered"),
        (("delivered", "delivered", "failed"), "Delivered"),
    ],
)
def test_reports_may_come_late_twice_and_out_of_order(store: Store, happened: tuple[str, ...], phase: str) -> None:
    message = put(store, "a")
    payload = taken(store).payload
    for what in happened:
        match what:
            case "accepted":
                parts.accepted(store, payload, now=NOW)
            case "lost":
                parts.lost(store, payload, error="cut", now=NOW)
            case "sent" | "delivered" | "failed" | "expired" | "unreported":
                parts.reported(store, payload, what, now=NOW)
    assert state(store, message).phase == phase


def test_what_waits_too_long_expires_with_one_event(store: Store) -> None:
    message = put(store, "a")
    assert parts.expire(store, SITE, now=NOW) == ()
    assert take(store, now=NOW + HOUR) is None
    assert [each.phase for each in parts.expire(store, SITE, now=NOW + HOUR)] == ["Expired"]
    assert parts.expire(store, SITE, now=NOW + HOUR) == ()
    assert state(store, message).finished_at == NOW + HOUR
    assert [each.type for each in events.take(store, SITE)] == ["sms.failed"]


def test_what_was_taken_does_not_expire_by_itself(store: Store) -> None:
    message = put(store, "a")
    parts.accepted(store, taken(store).payload, now=NOW)
    assert parts.expire(store, SITE, now=NOW + HOUR) == ()
    assert state(store, message).phase == "Queued"


@pytest.mark.parametrize(
    ("known", "phase", "told"), [("accepted", "Unknown", 1), ("sent", "Sent", 0), ("lost", "Unknown", 1)]
)
def test_in_the_end_it_is_over_and_says_what_is_known(store: Store, known: str, phase: str, told: int) -> None:
    message = put(store, "a")
    payload = taken(store).payload
    match known:
        case "accepted":
            parts.accepted(store, payload, now=NOW)
        case "sent":
            parts.reported(store, payload, "sent", now=NOW)
        case "lost":
            parts.lost(store, payload, error="cut", now=NOW)
    assert parts.conclude(store, SITE, now=NOW + HOUR, grace=HOUR) == ()
    end = NOW + 2 * HOUR
    assert [each.phase for each in parts.conclude(store, SITE, now=end, grace=HOUR)] == [phase]
    assert state(store, message).finished_at == end
    assert len(events.take(store, SITE)) == told
    parts.reported(store, payload, "delivered", now=end + HOUR)
    assert (state(store, message).phase, state(store, message).finished_at) == ("Delivered", end)


def test_what_left_its_modem_was_sent(store: Store) -> None:
    message = put(store, "a")
    parts.accepted(store, taken(store).payload, now=NOW)
    late = NOW + HOUR
    assert parts.departed(store, SITE, "one", since=NOW + timedelta(seconds=1), until=late) == ()
    assert parts.departed(store, SITE, "two", since=NOW, until=late) == ()
    assert [each.phase for each in parts.departed(store, SITE, "one", since=NOW, until=late)] == ["Sent"]
    assert state(store, message).sent_at == late


def test_only_what_nobody_took_is_withdrawn(store: Store) -> None:
    put(store, "a")
    assert parts.withdraw(store, SITE, "a")
    assert take(store) is None
    message = put(store, "b")
    taken(store)
    assert not parts.withdraw(store, SITE, "b")
    assert state(store, message).phase == "Queued"


def test_a_message_whose_resource_is_there_is_never_forgotten(store: Store) -> None:
    for uid in ("kept", "gone"):
        put(store, uid)
    parts.expire(store, SITE, now=NOW + HOUR)
    later = NOW + timedelta(days=60)
    keep = frozenset({"kept"})
    assert outgoing.prune(store, SITE, now=later, older_than=timedelta(days=30), keep=keep) == 1
    assert [each.source_uid for each in outgoing.of_resources(store, SITE)] == ["kept"]
