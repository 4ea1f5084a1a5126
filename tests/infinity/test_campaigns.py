"""Campaigns: whom they call, when they do not, and what they say of it, on both databases with a platform beside them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from dialplane.resources.conditions import Kept
from dialplane.resources.key import Key
from dialplane.resources.manifest import parse
from dialplane.services.infinity.campaign.campaigns import BadListError, NoSuchCampaignError, NotUploadedError, Timing
from dialplane.services.infinity.dialer import Asked, Dialer, Placed
from dialplane.services.infinity.tables import campaign_calls, destination_claims, do_not_call
from dialplane.services.infinity.tables.destinations import Claims, Settled, Synced
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE, By
from dialplane.services.infinity.tenant import Tenant, tenants
from dialplane.store import Store
from testbed.infinity.peer import InfinityPeer
from tests.infinity.campaign_site import (
    FAST,
    CampaignSite,
    called,
    campaign,
    most_live,
    number,
    platform,
    served,
    tenant,
    view,
)

Served = tuple[CampaignSite, InfinityPeer]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InfinityPeer]:
    async with platform(tmp_path_factory.mktemp("platform"), "http://127.0.0.1:1/") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def both(store: Store, peer: InfinityPeer) -> AsyncIterator[Served]:
    async with served(store, peer) as found:
        yield found


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """What is true on both databases is tested in `test_destinations` and `test_campaign_killed`."""
    return f"sqlite:///{tmp_path}/store.db"


async def test_everybody_is_called_until_they_answer_or_the_attempts_are_used_up(both: Served) -> None:
    site, peer = both
    await peer.behave(outcome="no_answer")
    await peer.behave(destination="3", outcome="answered")
    await peer.behave(destination="5", outcome="busy")
    await site.show(tenant(peer.url), campaign(people=12))
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.total, found.dialed, found.answered, found.failed, found.remaining) == (12, 23, 1, 11, 0)
    assert found.completed_at is not None
    assert await called(peer) == {number(index): 1 if index == 3 else 2 for index in range(12)}
    asked = {(r["fields"]["destnumber"], r["fields"]["customuuid"]) for r in await peer.requests()}
    assert asked == {(number(index), f"case-{index}") for index in range(12)}
    await site.until_said(lambda s: s.fields().get("phase") == "Completed")
    assert site.ready() == ("True", "Served", "")


async def test_a_bot_takes_several_calls_at_a_time_on_one_number(both: Served) -> None:
    site, peer = both
    await peer.behave(outcome="answered", talk_seconds=0.5)
    before = len(peer.events)
    bot = {"name": "reminders", "callbackNumber": "+15550100"}
    pacing = {"callsPerMinute": 6000, "poolPercent": 100, "maxConcurrentCalls": 3}
    await site.show(tenant(peer.url), campaign(people=6, voiceBot=bot, pacing=pacing))
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.dialed, found.answered) == (6, 6)
    asked = {(r["fields"]["extnumber"] != "", r["fields"]["userid"]) for r in await peer.requests()}
    assert asked == {(True, "reminders")}
    assert 1 < most_live(peer, before) <= 3


async def test_an_agent_has_one_call_at_a_time_and_they_take_turns(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url), campaign(people=30, agents=3))
    await site.until(lambda p: p.phase == "Completed")
    counts = await peer.counts()
    assert 0 < counts["most_live"] <= 3
    by_agent = Counter(request["fields"]["userid"] for request in await peer.requests())
    assert by_agent.keys() == {"a0", "a1", "a2"}


async def test_an_agent_in_a_call_that_somebody_asked_for_is_left_alone(both: Served) -> None:
    site, peer = both
    await peer.behave(destination="0000999", talk_seconds=None)
    resources = tenant(peer.url), campaign(people=4, agents=1)
    await site.show(resources[0])
    asked = Asked("a0", "+15550200000", "+15550000999", None, {}, None, "desk", "key-1")
    placed = await site.calling.make_call(tenants(view(*resources))["acme"], asked)
    assert placed.call is not None
    await site.show(*resources)
    holder = f"every agent is in a call: a0 is in call {placed.call.id} of acme"
    await site.until(lambda p: p.why == holder)
    assert (await called(peer)).keys() == {"+15550000999"}
    await peer.hang_up(placed.call.id)
    await site.until(lambda p: p.phase == "Completed")


async def test_a_pause_begins_no_call_and_lets_those_that_go_on_end(both: Served) -> None:
    site, peer = both
    await peer.behave(talk_seconds=None)
    await site.show(tenant(peer.url), campaign(people=10, agents=2))
    await site.until(lambda p: p.active_calls == 2)
    while len(live := [call for call in await peer.calls() if call["state"] == "answered"]) < 2:
        await asyncio.sleep(0.02)
    await site.show(tenant(peer.url), campaign(people=10, agents=2, paused=True))
    for call in live:
        await peer.hang_up(call["memberid"])
    found = await site.until(lambda p: p.active_calls == 0)
    assert (found.phase, found.answered, found.dialed) == ("Paused", 2, 2)
    await peer.behave()
    await site.show(tenant(peer.url), campaign(people=10, agents=2))
    await site.until(lambda p: p.phase == "Completed")
    assert set((await called(peer)).values()) == {1}


async def test_outside_of_its_windows_nobody_is_called(both: Served) -> None:
    site, peer = both
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[tomorrow.weekday()]
    hours = [{"days": [day], "from": "00:00", "to": "24:00"}]
    await site.show(tenant(peer.url), campaign(people=2, callingWindows=hours, timeZone="UTC"))
    found = await site.until(lambda p: p.total == 2)
    assert (found.phase, found.why) == ("Waiting", "outside of its calling windows")
    assert found.next_call_at == tomorrow.replace(hour=0, minute=0, second=0, microsecond=0)
    assert await called(peer) == {}


async def test_who_must_not_be_called_is_not_in_whatever_way_the_number_is_written(both: Served) -> None:
    site, peer = both
    unwanted = {"numbers": ["00" + number(1)[1:]], "configMapRef": {"name": "robinson", "key": "list"}}
    maps = {"robinson": {"list": f"# since May\n\n{number(2)[2:]}\n"}}
    await site.show(
        tenant(peer.url, numbering={"countryCode": "1"}), campaign(people=4, doNotCall=unwanted), config_maps=maps
    )
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.skipped, found.answered) == (2, 2)
    assert (await called(peer)).keys() == {number(0), number(3)}


async def test_numbers_with_and_without_a_country_are_refused_where_no_country_is_known(both: Served) -> None:
    site, peer = both
    unwanted = {"numbers": ["030555010"]}
    await site.show(tenant(peer.url), campaign(people=2, doNotCall=unwanted))
    await site.until_said(lambda s: s.ready() is not None and s.ready()[1] == "Invalid")  # type: ignore[index]
    ready = site.ready()
    assert ready is not None
    assert ready[2].startswith("spec.doNotCall: numbers with a country and without one are mixed")
    assert await called(peer) == {}


async def test_a_campaign_under_way_stops_calling_a_number_the_moment_that_it_is_barred(both: Served) -> None:
    site, peer = both
    site.campaigns._timing = replace(FAST, barred=3600)  # so that only the call itself looks
    slow = {"callsPerMinute": 6000, "poolPercent": 100, "maxConcurrentCalls": 1}
    await peer.behave(talk_seconds=0.3)
    await site.show(tenant(peer.url), campaign(people=6, pacing=slow))
    await site.until(lambda p: p.dialed >= 2)
    by = By("boss", datetime.now(UTC), "asked for it")
    await site.store.call(do_not_call.add, "office", WHOLE_SITE, number(5), by)
    await site.store.call(do_not_call.add, "office", "acme", number(4), by)
    await site.store.call(do_not_call.add, "office", "globex", number(3), by)
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.answered, found.skipped) == (4, 2)
    assert (await called(peer)).keys() == {number(index) for index in range(4)}


async def test_a_list_is_sorted_anew_when_a_number_is_barred_or_freed(both: Served) -> None:
    site, peer = both
    site.campaigns._timing = replace(FAST, barred=0.1)
    await site.show(tenant(peer.url), campaign(people=2, paused=True))
    await site.until(lambda p: p.remaining == 2)
    by = By("boss", datetime.now(UTC), "asked for it")
    await site.store.call(do_not_call.add, "office", WHOLE_SITE, number(1), by)
    await site.until(lambda p: (p.remaining, p.skipped) == (1, 1))
    await site.store.call(do_not_call.remove, "office", WHOLE_SITE, number(1), by)
    await site.until(lambda p: (p.remaining, p.skipped) == (2, 0))


async def test_the_tenants_own_list_holds_for_its_campaigns(both: Served) -> None:
    site, peer = both
    maps = {"never": {"list": f"number;since\n00{number(1)[1:]};May\n"}}
    never = {"configMapRef": {"name": "never", "key": "list"}}
    await site.show(tenant(peer.url, doNotCall=never), campaign(people=2), config_maps=maps)
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.answered, found.skipped) == (1, 1)
    assert (await called(peer)).keys() == {number(0)}


async def test_windows_that_never_open_are_a_fault_of_the_manifest(both: Served) -> None:
    site, peer = both
    windows = [{"days": ["mon"], "from": "09:00", "to": "17:00"}]
    today = datetime.now(UTC).date()
    holidays = [day.isoformat() for n in range(420) if (day := today + timedelta(days=n - 2)).weekday() == 0]
    await site.show(tenant(peer.url), campaign(people=1, callingWindows=windows, holidays=holidays))
    await site.until_said(lambda s: s.ready() is not None and s.ready()[1] == "Invalid")  # type: ignore[index]
    ready = site.ready()
    assert ready is not None
    assert ready[2].startswith("spec.callingWindows: its calling windows never open")


async def test_a_list_without_anybody_in_a_config_map_is_a_fault_of_the_manifest(both: Served) -> None:
    site, peer = both
    listed = {"configMapRef": {"name": "list", "key": "may.csv"}}
    await site.show(tenant(peer.url), campaign(destinations=listed), config_maps={"list": {"may.csv": "number\n"}})
    await site.until_said(lambda s: s.ready() is not None and s.ready()[1] == "Invalid")  # type: ignore[index]
    ready = site.ready()
    assert ready is not None
    assert "nobody is on the list" in ready[2]


async def test_a_list_that_grows_makes_a_completed_campaign_run_again(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url), campaign(people=2))
    await site.until(lambda p: p.phase == "Completed")
    await site.show(tenant(peer.url), campaign(people=3))
    found = await site.until(lambda p: p.phase == "Completed" and p.total == 3)
    assert found.answered == 3
    assert await called(peer) == {number(index): 1 for index in range(3)}


async def test_a_list_comes_from_a_config_map_with_what_belongs_to_each_call(both: Served) -> None:
    site, peer = both
    listed = {"configMapRef": {"name": "list", "key": "may.csv"}}
    maps = {"list": {"may.csv": f"name;number;caseId\r\nAda;{number(1)};c-1\r\n"}}
    await peer.behave(talk_seconds=None)
    await site.show(tenant(peer.url), campaign(destinations=listed), config_maps=maps)
    await site.until(lambda p: p.active_calls == 1)
    page = await site.campaigns.destinations("dunning", limit=9)
    assert page is not None
    assert [(each.number, each.case_id, each.custom) for each in page.destinations] == [
        (number(1), "c-1", {"name": "Ada"})
    ]


async def test_a_bad_list_calls_nobody_and_says_which_line(both: Served) -> None:
    site, peer = both
    listed = {"configMapRef": {"name": "list", "key": "may.csv"}}
    maps = {"list": {"may.csv": f"number\n{number(1)}\n+1+555\n"}}
    await site.show(tenant(peer.url), campaign(destinations=listed), config_maps=maps)
    await site.until_said(lambda s: s.ready() is not None and s.ready()[1] == "Invalid")  # type: ignore[index]
    ready = site.ready()
    assert ready is not None
    assert ready[2].startswith(
        "spec.destinations.configMapRef: ConfigMap list, key may.csv: line 3, number: not a telephone number"
    )
    await site.show(
        tenant(peer.url), campaign(destinations=listed), config_maps={"list": {"may.csv": f"number\n{number(1)}\n"}}
    )
    await site.until(lambda p: p.phase == "Completed")
    assert await called(peer) == {number(1): 1}


async def test_an_uploaded_list_is_taken_whole_or_not_at_all(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url), campaign())
    found = await site.until(lambda p: p.phase == "Waiting")
    assert found.why == "nobody has uploaded its list yet"
    with pytest.raises(BadListError, match="line 3, number"):
        await site.campaigns.upload("dunning", f"number\n{number(0)}\nAda\n".encode())
    made = await site.campaigns.upload(
        "dunning", f"\ufeffnumber,caseId\n{number(0)},c-1\n{number(1)},\n{number(0)},\n".encode()
    )
    assert made == Synced(total=2, added=2, removed=0, repeated=1, skipped=0)
    await site.until(lambda p: p.phase == "Completed")
    assert await called(peer) == {number(0): 1, number(1): 1}


async def test_a_list_is_uploaded_where_the_manifest_says_so(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url), campaign(people=1, paused=True))
    with pytest.raises(NotUploadedError, match=r"destinations\.upload"):
        await site.campaigns.upload("dunning", b"number\n")
    with pytest.raises(NoSuchCampaignError):
        await site.campaigns.upload("other", b"number\n")
    assert await site.campaigns.progress("other") is None
    assert await site.campaigns.destinations("other", limit=1) is None


async def settles_at(site: CampaignSite, peer: InfinityPeer, calls: int) -> None:
    """So many calls go on at a time, and no more begin in further rounds."""
    await site.until(lambda p: p.active_calls == calls)
    while (await peer.counts())["live"] < calls:
        await asyncio.sleep(0.02)
    rounds = site.campaigns._rounds
    await site.until_said(lambda s: s.campaigns._rounds > rounds + 5)
    counts = await peer.counts()
    assert (counts["most_live"], counts["requests"]) == (calls, calls)


async def test_a_pool_keeps_its_rest_for_people_and_its_maximum(both: Served) -> None:
    site, peer = both
    pacing = {"callsPerMinute": 6000, "poolPercent": 50, "maxConcurrentCalls": 100}
    await peer.behave(talk_seconds=None)
    await site.show(
        tenant(peer.url, ["8001-8010"], maxConcurrentCalls=8), campaign(people=20, agents=20, pacing=pacing)
    )
    await settles_at(site, peer, 4)


async def test_no_more_calls_go_on_than_the_campaign_may_have(both: Served) -> None:
    site, peer = both
    pacing = {"callsPerMinute": 6000, "poolPercent": 100, "maxConcurrentCalls": 3}
    await peer.behave(talk_seconds=None)
    await site.show(tenant(peer.url), campaign(people=12, agents=20, pacing=pacing))
    await settles_at(site, peer, 3)


async def test_campaigns_of_one_tenant_share_its_pool_and_its_agents(both: Served) -> None:
    site, peer = both
    await peer.behave(talk_seconds=None)
    first, second = (campaign(name, people=9, agents=5) for name in ("one", "two"))
    await site.show(tenant(peer.url, ["8001-8003"]), first, second)
    await site.until(lambda p: p.total == 9, "one")
    await site.until(lambda p: p.total == 9, "two")
    while (await peer.counts())["live"] < 3:
        await asyncio.sleep(0.02)
    rounds = site.campaigns._rounds
    await site.until_said(lambda s: s.campaigns._rounds > rounds + 5)
    requests = await peer.requests()
    assert len(requests) == len({request["fields"]["userid"] for request in requests}) == 3


async def test_a_minute_has_no_more_calls_than_it_may_also_after_a_restart(both: Served, store: Store) -> None:
    site, peer = both
    pacing = {"callsPerMinute": 5, "poolPercent": 100}
    await site.show(tenant(peer.url), campaign(people=20, agents=20, pacing=pacing))
    await site.until(lambda p: p.answered == 5)
    other = CampaignSite(store)
    async with other.running():
        site.leads = False
        await other.show(tenant(peer.url), campaign(people=20, agents=20, pacing=pacing))
        await other.until_said(lambda s: s.fields().get("answered") == 5)
        await other.until_said(lambda s: s.campaigns._rounds > 5)
    assert (await peer.counts())["requests"] == 5


async def test_where_few_answer_it_goes_on_with_one_call_at_a_time(both: Served) -> None:
    site, peer = both
    await peer.behave(outcome="no_answer")
    await site.show(tenant(peer.url), campaign(people=20, agents=10, attempts={"max": 1}))
    await site.until(lambda p: p.phase == "Completed")
    before = len(peer.events)
    slow = {"callsPerMinute": 6000, "poolPercent": 100, "minAnswerPercent": 10}
    await site.show(tenant(peer.url), campaign(people=30, agents=10, attempts={"max": 1}, pacing=slow))
    found = await site.until(lambda p: p.phase == "Completed" and p.total == 30)
    assert found.answer_percent == 0
    assert most_live(peer, since=before) == 1


async def test_a_platform_that_is_away_costs_no_attempt_and_is_tried_again(both: Served) -> None:
    site, peer = both
    await peer.ask("listening", on=False)
    await site.show(tenant(peer.url), campaign(people=3, attempts={"max": 1}))
    found = await site.until(lambda p: p.why == "the tenant's platform does not answer")
    assert (found.phase, found.failed) == ("Waiting", 0)
    await peer.ask("listening", on=True)
    found = await site.until(lambda p: p.phase == "Completed", within=60)
    assert (found.answered, found.dialed) == (3, 3)
    assert await called(peer) == {number(index): 1 for index in range(3)}


async def test_a_refusal_and_a_lost_answer_count_as_attempts(both: Served) -> None:
    site, peer = both
    await peer.behave(destination="0", answer="refuse")
    await peer.behave(destination="1", answer="cut", takes=True, outcome="no_answer")
    await site.show(tenant(peer.url), campaign(people=2))
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.failed, found.dialed) == (2, 4)
    assert await called(peer) == {number(0): 2, number(1): 2}


async def test_a_platform_that_refuses_everybody_does_not_use_the_list_up(both: Served) -> None:
    """Such as one whose token is no longer good."""
    site, peer = both
    await peer.behave(answer="refuse")
    await site.show(tenant(peer.url), campaign(people=30))
    await site.until(lambda p: "refuses" in p.why)
    await peer.forget()
    found = await site.until(lambda p: p.phase == "Completed")
    assert (found.answered, found.failed) == (30, 0)


async def test_a_tenant_that_takes_no_calls_makes_its_campaign_wait(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url, enabled=False), campaign(people=1))
    await site.until(lambda p: p.why == "the InfinityTenant acme takes no calls")
    await site.until_said(lambda s: s.ready() is not None)
    assert (site.ready() or ())[:2] == ("False", "ReferenceMissing")
    await site.show(tenant(peer.url), campaign(people=1))
    await site.until(lambda p: p.phase == "Completed")


class Sleeping:
    """Places calls, after a sleep that a test ends."""

    def __init__(self, calling: Dialer) -> None:
        self._calling = calling
        self.asleep, self.wake = asyncio.Event(), asyncio.Event()
        self.placed: list[Placed] = []

    async def make_call(self, tenant: Tenant, asked: Asked, *, wait_seconds: float = 0) -> Placed:
        self.asleep.set()
        await self.wake.wait()
        self.placed.append(await self._calling.make_call(tenant, asked, wait_seconds=wait_seconds))
        return self.placed[-1]


async def test_a_leader_that_wakes_up_late_and_the_one_that_took_over_place_one_call(both: Served) -> None:
    site, peer = both
    sleeping = Sleeping(site.calling)
    site.campaigns._runner._calling = sleeping
    await site.show(tenant(peer.url), campaign(people=1))
    await sleeping.asleep.wait()
    other = CampaignSite(site.store)
    async with other.running():
        await other.show(tenant(peer.url), campaign(people=1))
        await other.until(lambda p: p.phase == "Completed")
        sleeping.wake.set()
        while not sleeping.placed:
            await asyncio.sleep(0.02)
    assert not sleeping.placed[0].fresh
    assert await called(peer) == {number(0): 1}
    found = await site.progress()
    assert (found.phase, found.dialed) == ("Completed", 1)


async def test_somebody_who_is_removed_while_their_call_is_about_to_be_placed_is_not_called(both: Served) -> None:
    site, peer = both
    first = tenant(peer.url), campaign(people=1, agents=1, pacing={"callsPerMinute": 1})
    second = campaign(destinations={"inline": [{"number": number(1)}]}, agents=1)
    claim = destination_claims.claim

    def and_then(*args: Any, **kwargs: Any) -> Claims:
        found = claim(*args, **kwargs)
        asyncio.run_coroutine_threadsafe(site.show(first[0], second), loop).result(10)
        return found

    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(destination_claims, "claim", and_then)
        await site.show(*first)
        await site.until(lambda p: p.total == 1 and p.phase == "Completed")
    assert await called(peer) == {number(1): 1}


async def test_a_campaign_whose_store_is_lost_calls_nobody_a_second_time(both: Served) -> None:
    site, peer = both
    begun = replace(campaign(people=1), begun="Running")
    await site.show(tenant(peer.url), begun)
    await site.until_said(lambda s: (s.ready() or ("",) * 3)[1] == "OutcomeUnknown")
    assert site.fields()["phase"] is Kept.KEPT
    assert await called(peer) == {}
    await site.show(tenant(peer.url), replace(begun, uid="uid-another", begun=""))
    await site.until(lambda p: p.phase == "Completed")


@pytest.mark.parametrize(
    ("status", "begun"), [({"phase": "Waiting", "dialed": 0}, ""), ({"phase": "Paused", "dialed": 1}, "Paused")]
)
async def test_a_campaign_has_begun_once_it_has_called_somebody(status: dict[str, Any], begun: str) -> None:
    metadata = {"name": "dunning", "uid": "uid-1"}
    frame = {"apiVersion": "dialplane.io/v1alpha1", "kind": "Campaign", "metadata": metadata, "spec": {}}
    assert parse({**frame, "status": status}).begun == begun


async def test_a_campaign_that_has_begun_goes_on_after_a_restart(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url), campaign(people=1))
    await site.until(lambda p: p.phase == "Completed")
    site.leads = False
    other = CampaignSite(site.store)
    async with other.running():
        await other.show(tenant(peer.url), replace(campaign(people=2), begun="Completed"))
        await other.until(lambda p: p.phase == "Completed" and p.total == 2)
    assert await called(peer) == {number(0): 1, number(1): 1}


async def test_who_does_not_lead_calls_nobody(both: Served) -> None:
    site, peer = both
    site.leads = False
    await site.show(tenant(peer.url), campaign(people=1))
    other = CampaignSite(site.store)
    async with other.running():
        await other.show(tenant(peer.url), campaign(people=1))
        await other.until(lambda p: p.phase == "Completed")
    assert await called(peer) == {number(0): 1}


async def test_a_campaign_that_cannot_be_read_keeps_what_its_status_says(both: Served) -> None:
    site, peer = both
    await site.show(tenant(peer.url))
    resource = campaign(people=1)
    broken = type(resource)(resource.key, None, (), uid=resource.uid, generation=2)
    await site.show(tenant(peer.url), broken)
    assert site.campaigns.reports().keys() == {Key("Campaign", "dunning")}
    assert site.ready() is None
    assert await site.campaigns.all_progress() == ()


async def test_a_late_record_ends_the_calls_to_somebody(both: Served) -> None:
    """Nobody told of the call in time; then the record says that it was answered."""
    site, peer = both
    await peer.behave(callback="never")
    attempts = {"max": 2, "spacingSeconds": 3600}
    await site.show(tenant(peer.url), campaign(people=1, attempts=attempts))
    await site.until(lambda p: p.active_calls == 1)
    while not (live := await site.store.call(campaign_calls.live, "office")):
        await asyncio.sleep(0.02)
    while (await peer.counts())["live"]:
        await asyncio.sleep(0.02)
    found = await site.until(lambda p: p.active_calls == 0)
    assert found.remaining == 1
    await peer.ask("call_back", memberid=live[0].id)
    await site.until(lambda p: p.answered == 1)


async def statements_of(site: CampaignSite) -> list[str]:
    """What one round asks the database about destinations."""
    found: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "campaign_destinations" in statement:
            found.append(statement.split(maxsplit=1)[0])

    sa.event.listen(site.store.engine, "before_cursor_execute", note)
    await site.campaigns._round()
    sa.event.remove(site.store.engine, "before_cursor_execute", note)
    return found


@pytest.mark.parametrize("people", [10, 3000])
async def test_a_round_costs_the_same_few_statements_however_long_the_list(store: Store, people: int) -> None:
    seldom = Timing(refresh=3600, recount=3600, learn=3600, tidy=3600)
    site = CampaignSite(store, seldom)
    site.campaigns._runner._calling = Sleeping(site.calling)
    resources = tenant("http://192.0.2.1/api"), campaign(agents=2)
    await site.show(*resources)
    listed = "number\n" + "".join(f"{number(index)}\n" for index in range(people))
    await site.campaigns.upload("dunning", listed.encode())
    await site.campaigns._round()
    assert (await site.progress()).active_calls == 2
    assert await statements_of(site) == ["SELECT"]  # who is being called
    await site.show(tenant("http://192.0.2.1/api"), campaign(agents=3))
    assert await statements_of(site) == ["SELECT", "SELECT", "UPDATE"]  # and the claim
    await site.show(tenant("http://192.0.2.1/api"), campaign(agents=2, paused=True))
    assert await statements_of(site) == ["SELECT"]
    await site.campaigns._runner.close()
    await site.provider.close()


async def test_who_is_given_back_by_another_process_is_called_after_all(store: Store, peer: InfinityPeer) -> None:
    timing = replace(FAST, given_up=timedelta(hours=1), recount=0.2)
    async with served(store, peer, timing) as (site, _):
        resources = tenant(peer.url), campaign(people=1)
        await site.show(resources[0], campaign(people=1, paused=True))
        await site.until(lambda p: p.total == 1)
        now = datetime.now(UTC)
        claims = await store.call(destination_claims.claim, "office", "uid-dunning", limit=1, max_attempts=2, now=now)
        await site.show(*resources)
        courses = site.campaigns._runner.courses
        await site.until(lambda _: "uid-dunning" in courses and courses["uid-dunning"].due is None)
        back = [Settled(each.seq, each.request_key, "given_back", now, 2) for each in claims.taken]
        await store.call(destination_claims.settle, back, now=now)
        await site.until(lambda p: p.phase == "Completed")
        assert await called(peer) == {number(0): 1}
