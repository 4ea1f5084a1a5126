"""Campaigns that call over the site's own trunks: a real Asterisk dials a carrier, and a bot's entry takes who answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.resources.manifest import Resource, parse
from dialplane.services.infinity import trunk_dialer
from dialplane.services.infinity.campaign.campaigns import Campaigns
from dialplane.services.infinity.campaign.own_trunks import Dialling, own_trunks
from dialplane.services.infinity.campaign.progress import Progress
from dialplane.services.infinity.dialer import Dialer
from dialplane.services.infinity.lease import LeaseDesk
from dialplane.services.infinity.provider import Provider
from dialplane.services.infinity.tables import call_records, destinations, do_not_call
from dialplane.services.infinity.tables.call_records import Filter
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE, By
from dialplane.services.infinity.trunk_dialer import TrunkDialer
from dialplane.store import Store
from testbed.manifests import Manifest
from testbed.manifests import manifest as written
from testbed.sip import Peer
from tests.eventually import eventually
from tests.infinity.campaign_site import FAST, SITE, ended, manifest, view
from tests.system.pbx import Pbx, extension, from_user

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOT = "reminders"
SAYS = {
    "dialog": {"start": "bye", "states": [{"name": "bye", "say": {"text": "Bye."}, "action": {"hangup": True}}]},
    "fallback": {"to": {"extension": "101"}},
}
"""No bot runs: its entry sends who answered on to a telephone, which stands for it."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pbx]:
    async with Pbx(tmp_path_factory.mktemp("pbx")) as made:
        await made.carrier("alpha")
        await made.apply(_manifests(made))
        await made.carriers["alpha"].event("register", code=200)
        await made.phone("101")
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def pbx(world: Pbx) -> AsyncIterator[Pbx]:
    yield world
    await world.carriers["alpha"].ask("answer")
    await world.phone("101")
    await world.quiet()


def _manifests(pbx: Pbx) -> list[Manifest]:
    routes = [
        {"pattern": "_0Z.", "permission": "national"},
        {"pattern": "_00.", "permission": "international"},
        {"pattern": "_9X.", "strip": 1, "permission": "local"},
    ]
    return [
        pbx.pbx(
            numbering={"countryCode": "49"},
            emergency={"numbers": ["112"], "trunks": ["alpha"]},
            ari={"url": "http://127.0.0.1:8088", "credentialsSecretRef": {"name": "trunk-pbx"}},
        ),
        extension("101"),
        pbx.trunk("alpha", outbound=routes, callerIdPolicy={"format": "asIs"}),
        written("VoiceBot", BOT, **SAYS),
    ]


def campaign(*numbers: str, **spec: Any) -> Resource:
    fields: dict[str, Any] = {
        "voiceBot": {"name": BOT, "callerId": "+49305550100", "ringSeconds": 10},
        "destinations": {"inline": [{"number": number} for number in numbers]},
        "attempts": {"max": 2, "spacingSeconds": 0},
        "pacing": {"callsPerMinute": 6000},
    }
    return manifest("Campaign", "spring", **fields | spec)


class TrunkSite:
    """A process that serves campaigns over the trunks of a `Pbx`."""

    def __init__(self, store: Store, pbx: Pbx) -> None:
        self.store = store
        self._pbx = pbx
        self._desk = LeaseDesk(store, SITE, told=self._told)
        self._trunks = TrunkDialer(store, SITE, self._desk, leads=lambda: True)
        dialer = Dialer(self._desk, Provider())
        self.campaigns = Campaigns(store, SITE, dialer, trunks=self._trunks, timing=FAST)

    def _told(self, call: Call) -> None:
        self.campaigns.told(call)

    def show(self, *resources: Resource) -> None:
        settings = self._pbx.asterisk.settings
        account = AmiAddress(settings.host, settings.calls.name, SecretStr(settings.calls.secret), settings.ami_port)
        others = [parse(each) for each in _manifests(self._pbx)]
        self.campaigns.observe(replace(view(*others, *resources), calls=account), {})
        self._trunks.want(account)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["TrunkSite"]:
        running = (self._desk.run(), self._trunks.run(), self.campaigns.run(lambda: None))
        tasks = [asyncio.create_task(each) for each in running]
        try:
            yield self
        finally:
            for task in reversed(tasks):
                await ended(task)

    async def until(self, phase: str) -> Progress:
        async def look() -> Progress | None:
            return await self.campaigns.progress("spring")

        found = await eventually(look, 60, holds=lambda p: p is not None and p.phase == phase)
        assert found is not None
        return found

    async def calls(self) -> list[Call]:
        page = await self.store.call(call_records.page, SITE, Filter(), limit=50, before=None)
        return list(page.calls)


@pytest_asyncio.fixture(loop_scope="module")
async def site(store: Store, pbx: Pbx, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrunkSite]:
    monkeypatch.setattr(trunk_dialer, "LOOK_SECONDS", 0.5)
    async with TrunkSite(store, pbx).running() as made:
        yield made


async def test_who_answers_gets_to_the_bot_who_does_not_is_called_again(site: TrunkSite, pbx: Pbx) -> None:
    carrier, bot = pbx.carriers["alpha"], await pbx.phone("101")
    await carrier.ask("answer", code=486)
    site.show(campaign("0305550111"))
    done = await site.until("Completed")
    assert (done.dialed, done.answered, done.failed, done.tenant) == (2, 0, 1, None)
    assert {(each.outcome, each.rung, each.tenant, each.agent) for each in await site.calls()} == {
        ("NotAnswered", "maybe", "", BOT)
    }
    await carrier.ask("answer", code=200)
    site.show(campaign("0305550111", "0305550112"))
    heard = await bot.event("call", other="0305550112")
    seen = await carrier.event("call", number="0305550112")
    assert from_user(seen) == "+49305550100"
    assert await _variables(pbx) == {"DIALPLANE_CAMPAIGN": "spring", "DIALPLANE_DESTINATION": "0305550112"}
    await eventually(lambda: _spoken_with(pbx), holds=lambda calls: calls == 1)
    (call, *_) = await eventually(site.calls, holds=lambda found: found[0].state == "active")
    await _hang_up(bot, heard)
    done = await site.until("Completed")
    assert (done.dialed, done.answered, done.failed) == (3, 1, 1)
    assert (await site.calls())[0].outcome == "Answered"
    assert call.destination == "0305550112"


async def _spoken_with(pbx: Pbx) -> int:
    """In how many calls the telephone that stands for the bot has answered."""
    lines = (await pbx.asterisk.console("core show channels concise")).splitlines()
    return sum(line.startswith("PJSIP/101") and line.split("!")[4] == "Up" for line in lines)


async def _hang_up(phone: Peer, call: Mapping[str, Any]) -> None:
    """End a call, once the phone has heard that its answer was heard."""
    await eventually(lambda: phone.ask("hangup", call=call["call"]), holds=lambda ended: ended["bye"] == 200)


async def _variables(pbx: Pbx) -> Mapping[str, str]:
    """What a bot can ask of the channel that it gets."""
    lines = (await pbx.asterisk.console("core show channels concise")).splitlines()
    name = next(line.split("!")[0] for line in lines if line.startswith("Local/") and ";1" in line)
    shown = await pbx.asterisk.console(f"core show channel {name}")
    pairs = [line.strip().partition("=") for line in shown.splitlines()]
    return {key: value for key, _, value in pairs if key in {"DIALPLANE_CAMPAIGN", "DIALPLANE_DESTINATION"}}


async def test_a_call_that_goes_on_while_the_process_is_away_is_known_by_its_successor(
    store: Store, pbx: Pbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk_dialer, "LOOK_SECONDS", 0.5)
    bot = await pbx.phone("101")
    people = ("0305550113", "0305550114")
    async with TrunkSite(store, pbx).running() as first:
        first.show(campaign(*people))
        ringing = [await bot.event("call", other=each) for each in people]
        await eventually(lambda: _spoken_with(pbx), holds=lambda calls: calls == 2)
        await eventually(first.calls, holds=lambda found: [each.state for each in found] == ["active", "active"])
    await _hang_up(bot, ringing[0])
    await eventually(pbx.channels, holds=lambda found: len(found) == 4)
    async with TrunkSite(store, pbx).running() as second:
        second.show(campaign(*people))
        await eventually(second.calls, holds=lambda found: {each.state for each in found} == {"active", "released"})
        await _hang_up(bot, ringing[1])
        done = await second.until("Completed")
    assert (done.dialed, done.answered) == (2, 2)


async def test_nobody_on_the_do_not_call_list_is_dialled(site: TrunkSite) -> None:
    by = By("tests", datetime.now(UTC), "asked for it")
    await site.store.call(do_not_call.add, SITE, WHOLE_SITE, "+49305550115", by)
    site.show(campaign("0305550115"))
    done = await site.until("Completed")
    assert (done.dialed, done.skipped) == (0, 1)
    assert await site.calls() == []


async def test_a_list_with_numbers_that_must_not_be_dialled_is_no_list(site: TrunkSite) -> None:
    site.show(campaign("0305550111", "00443555"))
    await eventually(lambda: _problem(site), holds=lambda said: "international" in said)
    counts = await site.store.call(destinations.counts, SITE, ["uid-spring"])
    assert not counts


def _problem(site: TrunkSite) -> str:
    return " ".join(c.message for each in site.campaigns.reports().values() for c in each.conditions)


@pytest.mark.parametrize(
    ("number", "permissions", "why"),
    [
        ("0305550111", ["national"], ""),
        ("95550111", ["local"], ""),
        ("00443555", ["national"], "a call by the route _00. is international: see spec.voiceBot.permissions"),
        ("00443555", ["national", "international"], ""),
        ("5550111", ["national"], "no outbound route of a SipTrunk takes it"),
        ("9112", ["local"], "an emergency number"),
        ("112", ["local"], "no outbound route of a SipTrunk takes it"),
        ("9110", ["national"], "a call by the route _9X. is local"),
    ],
)
async def test_what_a_campaign_may_dial_is_known_before_it_dials(
    world: Pbx, number: str, permissions: list[str], why: str
) -> None:
    asked = campaign("0305550111", voiceBot={"name": BOT, "permissions": permissions})
    seen = view(*(parse(each) for each in _manifests(world)), asked)
    own = own_trunks(seen, "spring", asked.spec, None)
    assert own is not None
    assert isinstance(own.dialling, Dialling)
    found = own.dialling.hindrance(number)
    assert found.startswith(why) if why else found == ""


async def test_nobody_may_call_without_an_account_for_it() -> None:
    asked = campaign("0305550111")
    seen = view(parse(written("VoiceBot", BOT, **SAYS)), asked)
    own = own_trunks(seen, "spring", asked.spec, None)
    assert own is not None
    assert "callsCredentialsSecretRef" in own.why
    assert not own.serves
