"""What the tables keep of calls: written once or twice, looked for, closed, forgotten, erased."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dialplane.resources.numbering import Numbering
from dialplane.services.voicebot.spellings import spellings
from dialplane.services.voicebot.tables import call_changes, call_retention, calls, turns
from dialplane.services.voicebot.tables.call_changes import NewTurn
from dialplane.services.voicebot.tables.calls import BotActivity, CallFilter, CallOutcome
from dialplane.store import Store, site_views
from tests.databases import NOW
from tests.voicebot.calls_made import SITE, WORDS, call, end, events, turn, turns_kept, write

pytestmark = pytest.mark.databases
GERMANY = Numbering(country_code="49")


def test_a_call_is_kept_with_its_turns_and_its_end(store: Store) -> None:
    write(
        store,
        call("c-1", caller="+1555\0\n0111" + "9" * 40, campaign="spring", destination="+15550112"),
        turns=(NewTurn("c-1", 1, turn("bot", "Hello.")), NewTurn("c-1", 2, turn(confidence=0.9, first_audio=0.02))),
    )
    found = calls.get(store, SITE, "c-1")
    assert found is not None
    assert (found.caller, found.outcome, found.ended_at) == (("+15550111" + "9" * 40)[:40], None, None)
    assert write(store, ended=(end("c-1", CallOutcome.TRANSFERRED, target="desk", variables={"name": WORDS}),)) == 1
    found = calls.get(store, SITE, "c-1")
    assert found is not None
    assert (found.outcome, found.ended_at, found.target) == ("transferred", NOW + timedelta(seconds=34), "desk")
    assert (found.campaign, found.destination, found.variables) == ("spring", "+15550112", {"name": WORDS})
    said = turns.of_call(store, SITE, "c-1")
    assert [each.text for each in said] == ["Hello.", WORDS]
    assert said[1].details == {"confidence": 0.9, "first_audio": 0.02}
    assert calls.get(store, "another", "c-1") is None


def test_what_is_written_twice_is_there_once(store: Store) -> None:
    for _ in range(2):
        write(store, call("c-1"), turns=(NewTurn("c-1", 1, turn()),), ended=(end("c-1"),))
    assert turns_kept(store) == 1
    assert [(kind, bot) for kind, bot, _ in events(store)] == [("voicebot.call", "reception")]


def test_sites_with_calls_of_one_id_keep_both(store: Store) -> None:
    write(store, call("c-1"))
    write(store, call("c-1", bot="other"), turns=(NewTurn("c-1", 1, turn()),), site="another")
    ours, theirs = calls.get(store, SITE, "c-1"), calls.get(store, "another", "c-1")
    assert ours is not None
    assert theirs is not None
    assert (ours.bot, theirs.bot) == ("reception", "other")
    assert turns.of_call(store, SITE, "c-1") == ()


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (CallOutcome.COMPLETED, "voicebot.call"),
        (CallOutcome.TRANSFERRED, "voicebot.call"),
        (CallOutcome.HUNG_UP, "voicebot.call"),
        (CallOutcome.FALLBACK, "voicebot.failed"),
        (CallOutcome.LOST, "voicebot.failed"),
    ],
)
def test_each_end_has_its_event_without_the_callers_words(store: Store, outcome: CallOutcome, kind: str) -> None:
    more: dict[str, Any] = {"state": "ask", "variables": {"name": WORDS}}
    write(store, call("c-1"), turns=(NewTurn("c-1", 1, turn()),), ended=(end("c-1", outcome, reason="why", **more),))
    ((found, bot, data),) = events(store)
    assert (found, bot, data["sender"], data["reason"]) == (kind, "reception", "+15550111", outcome.value)
    assert data["message"].endswith("after 34 s, in the state ask: why.")
    assert "4711" not in str(data)


def test_calls_come_in_pages_the_newest_first(store: Store) -> None:
    write(store, *(call(f"c-{number}", minutes=number // 2) for number in range(7)))  # pairs begin at one moment
    seen: list[str] = []
    last = None
    while True:
        page = calls.page(store, SITE, CallFilter(), limit=3, before=last)
        seen += [each.id for each in page.calls]
        if not page.more:
            break
        last = page.calls[-1]
    assert seen == [f"c-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (CallFilter(bot="night"), ["c-3"]),
        (CallFilter(bots=frozenset({"night", "gone"})), ["c-3"]),
        (CallFilter(bots=frozenset()), []),
        (CallFilter(outcome=CallOutcome.FALLBACK), ["c-2"]),
        (CallFilter(going_on=True), ["c-4", "c-3"]),
        (CallFilter(going_on=False), ["c-2", "c-1"]),
        (CallFilter(numbers={"+15550112"}), ["c-4", "c-2"]),
        (CallFilter(campaign="spring"), ["c-4"]),
        (CallFilter(since=NOW + timedelta(minutes=2)), ["c-4", "c-3", "c-2"]),
        (CallFilter(until=NOW + timedelta(minutes=2)), ["c-1"]),
    ],
)
def test_calls_are_looked_for(store: Store, only: CallFilter, found: list[str]) -> None:
    write(
        store,
        call("c-1", minutes=1),
        call("c-2", minutes=2, caller="+15550112"),
        call("c-3", minutes=3, bot="night"),
        call("c-4", minutes=4, caller="", campaign="spring", destination="+15550112"),
        ended=(end("c-1"), end("c-2", CallOutcome.FALLBACK)),
    )
    write(store, call("c-5", minutes=2), site="another")
    assert [each.id for each in calls.page(store, SITE, only, limit=10).calls] == found


def test_what_bots_did_is_counted(store: Store) -> None:
    write(store, call("c-1"), call("c-2", minutes=5), call("c-3", bot="night", minutes=-60))
    write(store, call("c-4", minutes=9), site="another")
    assert calls.activity(store, SITE, NOW) == {"reception": BotActivity(2, NOW + timedelta(minutes=5))}
    assert calls.last_calls(store, SITE, {"reception", "night", "new"}) == {
        "reception": NOW + timedelta(minutes=5),
        "night": NOW - timedelta(minutes=60),
    }


def test_calls_of_a_replica_that_is_gone_are_lost_at_their_last_turn(store: Store) -> None:
    site_views.join(store, SITE, "bot-1", timedelta(minutes=1))
    heard = NOW + timedelta(seconds=9)
    write(
        store,
        call("lives"),
        call("silent", replica="bot-2"),
        call("spoke", replica="bot-2"),
        call("over", replica="bot-2"),
        turns=(NewTurn("spoke", 1, turn()), NewTurn("spoke", 2, turn(at=heard))),
        ended=(end("over"),),
    )
    assert call_changes.replicas_gone(store, SITE) == {"bot-2"}
    assert call_changes.close_lost(store, SITE, {"bot-2"}) == 2
    assert call_changes.replicas_gone(store, SITE) == frozenset()
    assert call_changes.close_lost(store, SITE, {"bot-2"}) == 0
    found = {each.id: (each.outcome, each.ended_at) for each in calls.page(store, SITE, CallFilter(), limit=9).calls}
    assert found["lives"] == (None, None)
    assert found["silent"] == (CallOutcome.LOST, NOW)
    assert found["spoke"] == (CallOutcome.LOST, heard)
    assert found["over"][0] is CallOutcome.COMPLETED
    assert [kind for kind, *_ in events(store)] == ["voicebot.call", "voicebot.failed", "voicebot.failed"]


def test_a_call_that_was_taken_for_lost_may_end_after_all(store: Store) -> None:
    write(store, call("c-1"))
    call_changes.close_lost(store, SITE, {"bot-1"})
    write(store, turns=(NewTurn("c-1", 1, turn()),), ended=(end("c-1"),))
    found = calls.get(store, SITE, "c-1")
    assert found is not None
    assert (found.outcome, found.reason) == (CallOutcome.COMPLETED, None)
    call_changes.write(store, SITE, call_changes.CallChanges(ended=[end("c-1", CallOutcome.LOST)]))
    assert calls.get(store, SITE, "c-1") == found


def test_what_is_old_is_forgotten_and_a_recording_outlives_the_words(store: Store) -> None:
    write(
        store,
        call("old"),
        call("recorded"),
        call("goes-on"),
        call("new", minutes=10),
        turns=tuple(NewTurn(name, 1, turn()) for name in ("old", "recorded", "goes-on", "new")),
        ended=(end("old"), end("recorded", recording="r/1.wav", variables={"name": "Ada"}), end("new")),
    )
    before = NOW + timedelta(minutes=5)
    assert call_retention.oldest(store, SITE) == {"reception": NOW}
    assert call_retention.forget(store, SITE, "another", before) == 0
    assert call_retention.forget(store, SITE, "reception", before) == 1
    left = calls.page(store, SITE, CallFilter(), limit=9).calls
    assert {each.id for each in left} == {"recorded", "goes-on", "new"}
    assert turns.of_call(store, SITE, "recorded") == ()
    assert next(each.variables for each in left if each.id == "recorded") == {}
    (found,) = call_retention.recorded_before(store, SITE, "reception", before, limit=9)
    assert found == call_retention.Recorded("recorded", "r/1.wav")
    call_retention.forget_recordings(store, SITE, ["recorded"])
    assert call_retention.forget(store, SITE, "reception", before) == 1


def test_more_calls_than_one_transaction_takes_are_forgotten(store: Store) -> None:
    many = [call(f"c-{number}") for number in range(call_retention.AT_A_TIME + 1)]
    write(store, *many, ended=tuple(end(each.id) for each in many))
    assert call_retention.forget(store, SITE, "reception", NOW + timedelta(minutes=1)) == len(many)


def test_of_an_erased_call_nothing_is_written_any_more(store: Store) -> None:
    write(store, call("theirs"), call("other", caller="+15550112"), turns=(NewTurn("theirs", 1, turn()),))
    assert call_retention.erase(store, SITE, {"+15550111"}) == 0, "it goes on"
    assert call_retention.going_on(store, SITE, {"+15550111"}, NOW) == 1
    write(store, ended=(end("theirs"),))
    write(store, ended=(end("other"),))
    assert call_retention.erase(store, SITE, {"+15550111", "0015550111"}) == 1
    assert [data["sender"] for *_, data in events(store)] == ["", "+15550112"]
    write(store, turns=(NewTurn("theirs", 2, turn()), NewTurn("other", 1, turn())), ended=(end("theirs"),))
    assert calls.get(store, SITE, "theirs") is None
    assert turns_kept(store) == 1


def test_whom_a_campaign_called_is_erased_too(store: Store) -> None:
    write(store, replace(call("c-1", caller="+15550100"), destination="+15550111"), ended=(end("c-1"),))
    assert call_retention.erase(store, SITE, {"+15550111"}) == 1


@pytest.mark.parametrize(
    ("number", "numbering", "found"),
    [
        ("030 5550-111", GERMANY, {"+49305550111", "49305550111", "0049305550111", "0305550111", "305550111"}),
        ("+49305550111", GERMANY, {"+49305550111", "0305550111"}),
        ("+15550111", GERMANY, {"+15550111", "15550111", "0015550111"}),
        ("+15550111", None, {"+15550111", "15550111", "0015550111"}),
        ("0305550111", None, {"0305550111"}),
        ("101", GERMANY, {"101"}),
    ],
)
def test_a_number_is_looked_for_as_networks_write_it(number: str, numbering: Numbering | None, found: set[str]) -> None:
    assert found <= spellings(number, numbering)
    assert number in spellings(number, numbering)
