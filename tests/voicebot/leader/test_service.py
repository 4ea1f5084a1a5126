"""The leader's half as the site loop sees it, on a store; its replicas are what a test says of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dialplane.resources.conditions import Condition, ConditionType, Kept, Report, Truth, status_of, transitions
from dialplane.resources.key import Key
from dialplane.resources.problem import Reason
from dialplane.services.contract import Context, ServiceReport, SiteView
from dialplane.services.voicebot.leader import service as leading
from dialplane.services.voicebot.leader.service import VoiceBotService, VoiceBotTiming
from dialplane.store import Store
from dialplane.tasks import Backoff
from tests.databases import NOW
from tests.eventually import eventually
from tests.voicebot.leader.bots import ACCOUNT, SITE, ReplicasOfTest, asterisk, bot, called, view

QUICK = VoiceBotTiming(tick=0.02, count=0.1, gap=0.02)
DESK = Key("VoiceBot", "desk")
VERIFIED = Condition(ConditionType.READY, Truth.TRUE, Reason.VERIFIED)


class Term:
    """A leader's term."""

    def __init__(self, store: Store, replicas: ReplicasOfTest) -> None:
        self.replicas = replicas
        self.changes = 0
        context = Context(store, SITE, lambda *_: None, replicas=replicas)
        self.service = VoiceBotService(context, timing=QUICK, now=lambda: NOW)

    @asynccontextmanager
    async def serving(self, seen: SiteView) -> AsyncIterator["Term"]:
        self.service.observe(seen)
        task = asyncio.create_task(self.service.run(self._changed))
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _changed(self) -> None:
        self.changes += 1

    def said(self) -> ServiceReport:
        return self.service.reports().get(DESK, ServiceReport())

    def doubt(self) -> str:
        """The reason for which it is not Ready; empty where nothing speaks against it."""
        if self.said().awaited:
            assert all(each.status is Truth.UNKNOWN for each in self.said().conditions), "where it takes too long"
            return "awaited"
        return "".join(str(each.reason) for each in self.said().conditions)

    async def is_doubted(self, reason: str) -> None:
        await eventually(self.doubt, 10, holds=lambda seen: seen == reason, why=self.said)

    async def shows(self, **fields: Any) -> None:
        await eventually(lambda: self.said().fields, 10, holds=lambda seen: fields.items() <= seen.items())

    def status(self, before: dict[str, Any]) -> dict[str, Any]:
        """The status as a front door writes it, where the loop itself finds the bot Ready."""
        return status_of(self.report(), before, NOW)

    def report(self) -> Report:
        said = self.said()
        return Report(DESK, "uid", 1, said.conditions or (VERIFIED,), said.fields)


@pytest.fixture
def replicas() -> ReplicasOfTest:
    return ReplicasOfTest()


@pytest.fixture
def term(store: Store, replicas: ReplicasOfTest) -> Term:
    return Term(store, replicas)


async def test_a_bot_is_ready_once_a_replica_has_proven_it_as_it_is(term: Term, replicas: ReplicasOfTest) -> None:
    async with term.serving(view(bot())):
        replicas.open("b1")
        assert term.doubt() == "awaited"  # a leader that has just started says nothing before it knows
        replicas.say(ready=False, reason="MediaFailed", message="nothing came back")
        await term.is_doubted("MediaFailed")
        replicas.say()
        await term.is_doubted("")
        term.service.observe(view(bot(language="de"), bot("night", enabled=False)))
        assert term.doubt() == "Unknown"
        assert list(replicas.published[-1]["bots"]) == ["desk"]
        replicas.say()
        await term.is_doubted("")
        assert term.service.reports()[Key("VoiceBot", "night")].conditions == ()


async def test_a_leader_without_replicas_waits_a_moment_and_names_the_cure(
    term: Term, replicas: ReplicasOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "FIRST_SECONDS", 0.3)
    replicas.go()
    async with term.serving(view(bot())):
        assert term.doubt() == "awaited"
        await term.is_doubted("NoBot")
        assert "`dialplane bot`" in term.said().conditions[0].message
        assert term.changes


async def test_the_same_site_again_publishes_and_reports_nothing_new(term: Term, replicas: ReplicasOfTest) -> None:
    async with term.serving(view(bot())):
        replicas.say()
        await term.is_doubted("")
        await term.shows(answeredToday=0)
        before = term.changes
        for _ in range(3):
            term.service.observe(view(bot()))
        await asyncio.sleep(5 * QUICK.tick)
        assert (len(replicas.published), term.changes) == (1, before)


async def test_calls_are_counted_in_the_status(term: Term, replicas: ReplicasOfTest, store: Store) -> None:
    async with term.serving(view(bot(), pbx=asterisk(timeZone="Europe/Berlin"))):
        replicas.say()
        await term.shows(activeCalls=0, answeredToday=0, lastCallAt=None)
        called(store, NOW - timedelta(hours=11), NOW - timedelta(hours=10), NOW - timedelta(minutes=1))
        replicas.say(calls=1)
        await term.shows(activeCalls=1, answeredToday=2, lastCallAt="2026-04-03T08:29:00Z")
        replicas.say()
        await term.shows(activeCalls=0)


async def test_a_leader_that_starts_writes_and_tells_nothing_where_the_replicas_are_back_in_time(
    store: Store, replicas: ReplicasOfTest
) -> None:
    called(store, NOW - timedelta(minutes=1))
    async with Term(store, replicas).serving(view(bot())) as first:
        replicas.say()
        await first.shows(answeredToday=1)
        before = first.status({})
    replicas.reported.clear()  # they start, too
    async with Term(store, replicas).serving(view(bot())) as second:
        replicas.open("b2")
        replicas.say(replica="b2", ready=False, reason="Unknown", message="not tried yet")
        assert second.doubt() == "awaited"
        replicas.say(replica="b2")
        await second.is_doubted("")
        assert second.status(before) == before
        assert transitions(second.report(), before) == ()


def rename(store: Store, table: str, name: str) -> None:
    with store.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO {name}"))


async def test_without_the_store_nobody_knows_and_numbers_stay(
    term: Term, replicas: ReplicasOfTest, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "BACKOFF", Backoff(0.05, 0.1))
    async with term.serving(view(bot())):
        replicas.say()
        await term.is_doubted("")
        rename(store, "bot_calls", "away")
        await term.is_doubted("StoreUnavailable")
        assert term.said().fields["answeredToday"] is Kept.KEPT
        rename(store, "away", "bot_calls")
        await term.is_doubted("")


async def test_a_newline_at_the_end_of_a_mounted_account_is_no_part_of_it(term: Term) -> None:
    term.service.observe(view(bot(), account={key: f"{value}\n" for key, value in ACCOUNT.items()}))
    found = term.service._account()
    assert found is not None
    assert {"username": found.username, "password": found.password.get_secret_value()} == ACCOUNT


async def test_no_secret_is_in_what_is_published(term: Term, replicas: ReplicasOfTest) -> None:
    key = {"provider": "elevenlabs", "secretRef": {"name": "voice", "key": "key"}}
    async with term.serving(view(bot(textToSpeech=key), voice={"key": "sk-of-the-voice"})):
        assert replicas.published
    assert not [value for value in ("sk-of-the-voice", "of-ari") if value in str(replicas.published)]
