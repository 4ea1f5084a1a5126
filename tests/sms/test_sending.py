"""Messages go out once, and say truly what became of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from bench.gsm import SITE, Gateway, dongle, imei, rendered
from dialplane.resources.conditions import ConditionType
from dialplane.services.sms.tables import outgoing
from dialplane.services.sms.tables.outgoing import Outgoing
from dialplane.store import Store, StoreUnavailable, events
from testbed.asterisk import AsteriskInstance
from tests.eventually import eventually
from tests.sms.rig import Site, message

DONGLES = [dongle(number, group="out", sms={"perMinute": 120}) for number in range(2)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    place = tmp_path_factory.mktemp("asterisk")
    async with AsteriskInstance(place, dialplane_files=rendered(DONGLES)) as running:
        yield running


@pytest.fixture
async def gateway(asterisk: AsteriskInstance, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with Gateway.on(asterisk, tmp_path, DONGLES) as running:
        yield running


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.close()


@pytest.fixture
async def site(gateway: Gateway, store: Store) -> AsyncIterator[Site]:
    async with Site(gateway, store).running() as running:
        await running.is_online()
        yield running


async def test_a_message_is_delivered_with_its_very_text(site: Site) -> None:
    text = 'Шлюз работает 网关已启动 ✅ 👨‍👩‍👧 "quotes" C:\\new\n${EXTEN};\r\nEvent: Forged'
    site.send(message("hello", text))
    await site.until(lambda: site.phase("hello") == "Delivered")
    assert [each["text"] for each in await site.peer.sent()] == [text]
    assert site.ready("hello") == ("True", "Delivered")
    found = site.fields("SmsMessage", "hello")
    assert (found["attempts"], found["dongle"]) == (1, "gsm-0")
    assert found["deliveredAt"]
    assert found["finishedAt"]


async def test_without_a_report_asked_for_sent_is_the_end(site: Site) -> None:
    site.send(message("hello", deliveryReport=False))
    await site.until(lambda: site.ready("hello") == ("True", "Sent"))
    assert site.fields("SmsMessage", "hello")["finishedAt"]
    assert [each["report"] for each in await site.peer.sent()] == [False]


async def test_a_long_text_goes_out_whole_in_order(site: Site) -> None:
    text = "".join(f"{number}: Ж網👍🏽 \\ \n" for number in range(150))[:2000]
    site.send(message("long", text))
    await site.until(lambda: site.phase("long") == "Delivered", within=30)
    sent = await site.peer.sent()
    assert "".join(each["text"] for each in sent) == text
    assert len(sent) > 1
    assert {each["device"] for each in sent} == {"gsm-0"}
    assert site.fields("SmsMessage", "long")["parts"] == {
        "total": len(sent),
        "sent": len(sent),
        "delivered": len(sent),
    }


@pytest.mark.parametrize(
    ("outcome", "phase", "reason"),
    [("failed", "Failed", "Failed"), ("unsent", "Failed", "Failed")],
)
async def test_the_networks_verdict_is_the_phase(site: Site, outcome: str, phase: str, reason: str) -> None:
    await site.peer.ask("outcome", name=outcome)
    site.send(message("hello"))
    await site.until(lambda: site.phase("hello") == phase)
    assert site.ready("hello") == ("False", reason)
    told = await site.store.call(events.take, SITE)
    assert [(each.type, each.subject_name, each.data["to"]) for each in told] == [("sms.failed", "hello", "+15550100")]


async def test_a_modem_that_never_gets_a_report_has_sent_its_messages_and_rings_no_alarm(site: Site) -> None:
    await site.peer.ask("outcome", name="expired")
    site.send(message("hello"))
    await site.until(lambda: site.ready("hello") == ("True", "Sent"))
    assert site.fields("SmsMessage", "hello")["finishedAt"]
    assert await site.store.call(events.take, SITE) == ()
    assert len(await site.peer.sent()) == 1


async def test_a_message_that_is_put_back_is_not_sent_again(site: Site) -> None:
    again, other = message("hello"), message("hello", "another text")
    again["metadata"]["uid"], other["metadata"]["uid"] = "uid-put-back", "uid-of-another"
    site.send(message("hello"))
    await site.until(lambda: site.phase("hello") == "Delivered")
    site.withdraw("hello")
    await site.until(lambda: site.phase("hello") is None)
    site.send(again)
    await site.until(lambda: site.ready("hello") == ("True", "Delivered"))
    site.withdraw("hello")
    site.send(other)
    await site.until(lambda: site.ready("hello") == ("False", "Failed"))
    assert len(await site.peer.sent()) == 1


async def test_another_modem_of_the_group_takes_what_the_first_refused(site: Site) -> None:
    await site.peer.ask("refuse", error="SMSDB error")
    site.send(message("hello", dongleGroup="out"))
    await site.until(lambda: site.phase("hello") == "Delivered")
    assert len(await site.peer.sent()) == 1
    assert site.fields("SmsMessage", "hello")["attempts"] == 2


async def test_what_every_modem_refused_has_failed_with_the_drivers_words(site: Site) -> None:
    await site.peer.ask("refuse", error="SMSDB error", count=2)
    site.send(message("hello", dongleGroup="out"))
    await site.until(lambda: site.phase("hello") == "Failed")
    assert "SMSDB error" in site.fields("SmsMessage", "hello")["error"]
    assert await site.peer.sent() == []


async def test_after_an_error_that_may_mean_sent_no_other_modem_is_asked(site: Site) -> None:
    await site.peer.ask("refuse", error="Queue error")
    site.send(message("hello", dongleGroup="out"))
    await site.until(lambda: site.phase("hello") == "Unknown")
    await others_go_out(site)


async def others_go_out(site: Site) -> None:
    """They do, from either modem, and they alone."""
    names = ("gsm-0", "gsm-1")
    site.send(*(message(f"by-{name}", f"by {name}", dongle=name) for name in names))
    await site.until(lambda: all(site.phase(f"by-{name}") == "Delivered" for name in names))
    assert sorted(each["text"] for each in await site.peer.sent()) == [f"by {name}" for name in names]


async def test_a_lost_answer_is_never_sent_again_and_a_report_clears_it_up(site: Site) -> None:
    await site.peer.ask("outcome", name="delivered", after=3)
    await site.peer.ask("lose_answer")
    site.send(message("hello", dongleGroup="out"))
    await site.until(lambda: site.phase("hello") == "Unknown")
    assert site.ready("hello") == ("False", "OutcomeUnknown")
    await site.until(lambda: site.phase("hello") == "Delivered")
    assert len(await site.peer.sent()) == 1


async def test_only_modems_in_service_are_asked(site: Site) -> None:
    await site.peer.unplug(imei(0))
    await site.until(lambda: site.online("gsm-0") == ("False", "NotConnected"))
    site.send(message("one", dongleGroup="out"), message("mine"))
    await site.until(lambda: site.phase("one") == "Delivered")
    assert site.fields("SmsMessage", "one")["dongle"] == "gsm-1"
    assert site.ready("mine") == ("Unknown", "Queued")
    assert "waits for the Dongle gsm-0: " in str(site.condition("SmsMessage", "mine", ConditionType.READY))


async def test_a_report_that_came_while_nobody_listened_is_heard_later(gateway: Gateway, store: Store) -> None:
    await gateway.peer.ask("outcome", name="delivered", after=1)
    site = Site(gateway, store)
    async with site.running():
        site.send(message("hello"))
        await site.until(lambda: "has it" in str(site.said("SmsMessage", "hello")))
    await asyncio.sleep(1.5)
    again = Site(gateway, store)
    again.messages = site.messages
    async with again.running():
        await again.until(lambda: again.phase("hello") == "Delivered")
    assert len(await gateway.peer.sent()) == 1


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({"phase": "Delivered"}, "Delivered"),
        ({"phase": "Sent"}, "Unknown"),
        ({"phase": "Queued", "dongle": "gsm-0"}, "Unknown"),
    ],
)
async def test_what_a_lost_store_knew_of_is_not_sent_again(site: Site, status: dict[str, str], phase: str) -> None:
    site.send(message("hello") | {"status": status})
    await site.until(lambda: site.phase("hello") == phase)
    site.send(message("next"))
    await site.until(lambda: site.phase("next") == "Delivered")
    assert len(await site.peer.sent()) == 1


async def test_validity_begins_when_the_message_is_written(site: Site) -> None:
    late = message("hello", validityMinutes=5)
    late["metadata"]["creationTimestamp"] = (datetime.now(UTC) - timedelta(minutes=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    site.send(late)
    await site.until(lambda: site.phase("hello") == "Expired")
    assert await site.peer.sent() == []


async def test_who_no_longer_leads_sends_nothing(gateway: Gateway, store: Store) -> None:
    site, leading, asked = Site(gateway, store), [True], list[None]()

    def leads() -> bool:
        asked.append(None)
        return leading[0]

    async with site.running():
        await site.is_online()
        view = replace(gateway.view(message("hello")), leads=leads)
        leading[0] = False
        site.service.observe(view)
        asked.clear()
        await site.until(lambda: len(asked) >= 5)
        assert await gateway.peer.sent() == []
        leading[0] = True
        await site.until(lambda: site.phase("hello") == "Delivered")


async def test_a_message_that_is_deleted_in_time_is_not_sent(gateway: Gateway, store: Store) -> None:
    async def kept() -> tuple[Outgoing, ...]:
        return await store.call(outgoing.of_resources, SITE)

    site = Site(gateway, store)
    await gateway.peer.unplug(imei(0))
    async with site.running():
        site.send(message("hello"))
        await site.until(lambda: site.ready("hello") == ("Unknown", "Queued") and bool(site.phase("hello")))
        site.withdraw("hello")
        await eventually(kept, holds=lambda found: all(each.finished_at for each in found))
        await gateway.peer.plug(imei(0), "262000000000000")
        await site.is_online()
        await others_go_out(site)


async def test_what_has_left_the_modem_is_sent_until_the_network_says_more(site: Site) -> None:
    await site.peer.ask("outcome", name="delivered", after=5)
    site.send(message("hello"))
    await site.until(lambda: "has it" in str(site.said("SmsMessage", "hello")))
    await site.looks(3)
    await site.until(lambda: site.phase("hello") == "Sent")
    assert site.ready("hello") == ("Unknown", "Sent")
    assert site.fields("SmsMessage", "hello").get("finishedAt") is None
    await site.until(lambda: site.phase("hello") == "Delivered", within=15)


async def test_what_stays_in_the_modem_is_not_sent(site: Site) -> None:
    await site.peer.ask("stuck", imei=imei(0))
    site.send(message("hello"))
    await site.until(lambda: "has it" in str(site.said("SmsMessage", "hello")))
    await site.looks(4)
    assert site.ready("hello") == ("Unknown", "Queued")


async def test_a_modem_that_was_pulled_out_may_have_sent_or_not(site: Site) -> None:
    await site.peer.ask("stuck", imei=imei(0))
    site.send(message("hello"))
    await site.until(lambda: "has it" in str(site.said("SmsMessage", "hello")))
    await site.peer.unplug(imei(0))
    await site.peer.plug(imei(0), "262000000000000")
    await site.looks(4)
    assert site.ready("hello") == ("Unknown", "Queued")


async def test_a_dongle_sends_no_faster_than_it_may(asterisk: AsteriskInstance, tmp_path: Path, store: Store) -> None:
    slow = [dongle(0, sms={"perMinute": 60})]  # one in 1.3 s (`test_pacing`)
    async with Gateway.on(asterisk, tmp_path, slow) as gateway, Site(gateway, store).running() as site:
        await site.is_online()
        site.send(*(message(f"m{number}") for number in range(3)))
        assert await site.until(lambda: site.phases() == ["Delivered"] * 3) > 2.5


async def test_the_queue_of_one_modem_never_holds_up_another(site: Site) -> None:
    await site.peer.unplug(imei(0))
    await site.until(lambda: site.online("gsm-0") == ("False", "NotConnected"))
    site.send(*(message(f"mine{number}") for number in range(20)), message("other", dongle="gsm-1"))
    await site.until(lambda: site.phase("other") == "Delivered")


async def test_a_message_is_over_once_its_time_is(site: Site) -> None:
    site.send(message("hello", ttlSecondsAfterFinished=1))
    await site.until(lambda: site.phase("hello") == "Delivered")
    changes = site.changes
    await site.until(lambda: bool((said := site.said("SmsMessage", "hello")) and said.over))
    await site.until(lambda: site.changes > changes)


async def test_while_the_store_is_away_nothing_is_sent_and_nothing_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Store.call

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store: no answer")

    monkeypatch.setattr(Store, "call", away)
    await asyncio.sleep(1.5)
    site.send(message("hello"))
    await site.until(lambda: site.ready("hello") == ("Unknown", "StoreUnavailable"))
    monkeypatch.setattr(Store, "call", call)
    await site.until(lambda: site.phase("hello") == "Delivered", within=20)
    assert len(await site.peer.sent()) == 1
