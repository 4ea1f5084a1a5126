"""Calls over the site's own trunks: begun once, never to who must not be called, and joined with what bots noted."""

from datetime import timedelta

from dialplane.services.infinity.tables import do_not_call, leases, trunk_calls
from dialplane.services.infinity.tables.calls import NewCall
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE, By
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tables.trunk_calls import BotAnswer
from dialplane.services.voicebot.tables.calls import BOT_CALLS
from dialplane.store import Store
from tests.databases import NOW
from tests.voicebot.calls_made import call, end, write

SITE = "office"


def new(number: str = "0305550111", key: str = "1", **more: str) -> NewCall:
    return NewCall("", "reminders", "", number, "campaign/u", key, campaign="spring", **more)


def test_a_call_is_begun_once_and_lives_until_it_is_over(store: Store) -> None:
    first = trunk_calls.begin(store, SITE, new(), now=NOW)
    again = trunk_calls.begin(store, SITE, new(), now=NOW + timedelta(seconds=5))
    other = trunk_calls.begin(store, SITE, new("0305550112", "2"), now=NOW)
    assert first.call is not None
    assert other.call is not None
    assert (first.fresh, again.fresh, again.call) == (True, False, first.call)
    assert {each.id for each in trunk_calls.live(store, SITE)} == {first.call.id, other.call.id}
    leases.change(store, SITE, [Change(first.call.id, "released", outcome="Answered")], now=NOW)
    assert [each.id for each in trunk_calls.live(store, SITE)] == [other.call.id]


def test_who_is_barred_is_not_called(store: Store) -> None:
    do_not_call.add(store, SITE, WHOLE_SITE, "+49305550111", By("tests", NOW, "asked for it"))
    do_not_call.add(store, SITE, "acme", "+49305550112", By("tests", NOW, "asked a tenant"))
    refused = trunk_calls.begin(store, SITE, new(identity="+49305550111"), now=NOW)
    unknown = trunk_calls.begin(store, SITE, new(key="2"), now=NOW)
    allowed = trunk_calls.begin(store, SITE, new(key="3", identity="+49305550112"), now=NOW)
    assert refused.denied is not None
    assert unknown.denied is not None
    assert (refused.denied.reason, unknown.denied.reason) == ("DoNotCall", "NumberUnknown")
    assert allowed.call is not None


def test_what_bots_noted_of_the_last_call_is_known(store: Store) -> None:
    of = {"campaign": "spring", "destination": "0305550111"}
    write(
        store,
        call("c-1", **of),
        call("c-2", minutes=1, **of),
        call("c-3", minutes=2, campaign="winter", destination="0305550111"),
        call("c-4", minutes=2, campaign="spring", destination="0305550112"),
        ended=(end("c-1"), end("c-2", variables={"consent": "yes"})),
    )
    found = trunk_calls.bot_answers(store, SITE, "spring", ["0305550111", "0305550112", "0305550113"])
    assert found == {
        "0305550111": BotAnswer("c-2", "completed", {"consent": "yes"}),
        "0305550112": BotAnswer("c-4", None, {}),
    }
    since = NOW + timedelta(minutes=2)
    assert trunk_calls.bot_answers(store, SITE, "spring", ["0305550111"], since=since) == {}
    assert trunk_calls.bot_answers(store, "another", "spring", ["0305550111"]) == {}


def test_the_columns_that_are_read_of_bots_are_there() -> None:
    assert {each.name for each in trunk_calls._BOT_CALLS.columns} <= {each.name for each in BOT_CALLS.columns}
    assert trunk_calls._BOT_CALLS.name == BOT_CALLS.name
