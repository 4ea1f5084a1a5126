"""From what happens to the peers: what is told, to whom, how often, and what of a service that fails."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from dialplane.resources.conditions import Kept, Truth
from dialplane.services.notify.delivery import Patience
from dialplane.services.notify.tables import deliveries
from dialplane.store import Store
from testbed.peer import PeerProcess
from testbed.postgres import Postgres
from tests.notify.conftest import QUICK, Rigs
from tests.notify.site import SITE, NotifyRig, notifier, sms, trunk_report, unregistered


def hook(receiver: PeerProcess, name: str) -> str:
    return f"json://127.0.0.1:{receiver.address[1]}/hook/{name}"


def arrived(receiver: PeerProcess, name: str) -> list[dict[str, object]]:
    return [event for event in receiver.events if event.get("place") == f"hook/{name}"]


async def test_a_message_goes_to_each_notifier_that_wants_it(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        rig.serve(
            notifier("all", events=["sms.received"]),
            notifier("named"),
            notifier("others", events=["trunk.unregistered"]),
            all=hook(receiver, "all"), named=hook(receiver, "named"), others=hook(receiver, "others"),
        )  # fmt: skip
        await rig.happens(sms("Hello", notifiers=["named"]))
        for name in ("all", "named"):
            told = await receiver.event("received", place=f"hook/{name}")
            assert told["title"] == "SMS from +15550100"
            assert str(told["text"]).startswith("Hello\n\noffice · Dongle/gsm1 · ")
            assert str(told["text"]).endswith(f"id {told['delivery']}")
        await rig.until_states("delivered", "delivered")
        assert arrived(receiver, "others") == []


async def test_the_status_says_how_it_goes(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=hook(receiver, "a"))
        assert rig.ready("a")[:2] == ("True", "Served")
        await rig.happens(sms())
        await rig.until(lambda rig: rig.said("a").fields["delivered"] == 1)
        fields = dict(rig.said("a").fields)
        assert str(fields.pop("lastDeliveredAt")).endswith("Z")
        assert fields == {"delivered": 1, "failed": 0, "pending": 0, "lastError": None}


async def test_what_a_service_refuses_is_tried_again_under_the_same_id(rigs: Rigs, receiver: PeerProcess) -> None:
    await receiver.ask("behave", place="hook/a", refuse=2)
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=hook(receiver, "a"))
        await rig.happens(sms())
        await rig.until_states("delivered")
    assert [event["answer"] for event in arrived(receiver, "a")] == [503, 503, 200]
    assert len({event["delivery"] for event in arrived(receiver, "a")}) == 1


async def test_an_answer_that_is_cut_off_is_tried_again(rigs: Rigs, receiver: PeerProcess) -> None:
    await receiver.ask("behave", place="hook/a", cut=1)
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=hook(receiver, "a"))
        await rig.happens(sms())
        await rig.until_states("delivered")
    assert [event["answer"] for event in arrived(receiver, "a")] == [0, 200]


async def test_what_never_gets_through_is_a_dead_letter_which_can_be_sent_again(
    rigs: Rigs, receiver: PeerProcess
) -> None:
    await receiver.ask("behave", place="hook/a", refuse=3, code=403)
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=hook(receiver, "a"))
        await rig.happens(sms())
        await rig.until_states("dead")
        [told] = await rig.kept()
        assert (told.delivery.attempts, told.delivery.last_error) == (3, "HTTP 403")
        await rig.until(lambda rig: rig.said("a").fields["failed"] == 1)
        assert rig.said("a").fields["lastError"] == "HTTP 403"

        await rig.store.call(deliveries.resend, SITE, told.delivery.id, now=datetime.now(UTC))
        rig.service.wake()
        await rig.until_states("delivered", limit_seconds=5)
        await rig.until(lambda rig: rig.said("a").fields["lastError"] is None)
    assert len({event["delivery"] for event in arrived(receiver, "a")}) == 1


async def test_a_service_that_starts_again_keeps_the_last_error_until_its_next_attempt(
    rigs: Rigs, receiver: PeerProcess
) -> None:
    await receiver.ask("behave", place="hook/a", refuse=9)
    wants = notifier("a", events=["sms.received"])
    async with rigs(Patience(first=600.0)) as rig:
        rig.serve(wants, a=hook(receiver, "a"))
        await rig.happens(sms())
        await rig.until(lambda rig: rig.said("a").fields.get("lastError") == "HTTP 503")
    async with rigs(Patience(first=600.0)) as rig:
        rig.serve(wants, a=hook(receiver, "a"))
        await rig.until(lambda rig: rig.said("a").fields.get("pending") == 1)
        assert rig.said("a").fields["lastError"] is Kept.KEPT


async def test_a_new_url_is_tried_at_once(rigs: Rigs, receiver: PeerProcess) -> None:
    await receiver.ask("behave", place="hook/wrong", refuse=9, code=404)
    async with rigs(Patience(first=600.0)) as rig:
        wants = notifier("a", events=["sms.received"])
        rig.serve(wants, a=hook(receiver, "wrong"))
        await rig.happens(sms())
        await rig.until(lambda rig: rig.said("a").fields.get("lastError") == "HTTP 404")
        rig.serve(wants, a=hook(receiver, "right"))
        await rig.until_states("delivered", limit_seconds=5)


async def test_a_service_that_hangs_holds_up_no_other(rigs: Rigs, receiver: PeerProcess) -> None:
    await receiver.ask("behave", place="hook/hangs", hang=60)
    async with rigs() as rig:
        names = ["hangs", "b", "c", "d"]
        rig.serve(
            *(notifier(name, events=["sms.received"]) for name in names),
            **{name: hook(receiver, name) for name in names},
        )
        for number in range(10):
            await rig.happens(sms(f"number {number}"))
            happened = time.time()
            for name in names[1:]:
                after = len([e for e in receiver.events if e.get("place") == f"hook/{name}"])
                if after <= number:
                    async with asyncio.timeout(5):
                        while len(arrived(receiver, name)) <= number:
                            await asyncio.sleep(0.01)
            assert all(float(str(arrived(receiver, name)[number]["at"])) - happened < 1 for name in names[1:])
        assert len(arrived(receiver, "hangs")) == 4, "no more at a time than the lane has room for"


async def test_threads_that_never_end_do_not_pile_up(rigs: Rigs, receiver: PeerProcess) -> None:
    await receiver.ask("behave", place="hook/hangs", hang=60)
    async with rigs(Patience(first=0.1, longest=0.1, limit=0.2)) as rig:
        rig.serve(notifier("hangs", events=["sms.received"]), hangs=hook(receiver, "hangs"))
        await rig.happens(*(sms(f"number {number}") for number in range(30)))
        await rig.until(lambda _: len(arrived(receiver, "hangs")) == 7)
        await asyncio.sleep(1)
        assert len(arrived(receiver, "hangs")) == 7
        await rig.until(lambda rig: rig.said("hangs").fields["lastError"] == "no answer in 0.2 s")


async def test_a_storm_of_the_same_event_is_folded(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", events=["trunk.unregistered"], foldSeconds=6), a=hook(receiver, "a"))
        await rig.happens(unregistered())
        await receiver.event("received", limit_seconds=3)
        await rig.happens(*(unregistered() for _ in range(999)), unregistered("other"))
        await rig.until_states("delivered", "delivered", "delivered")
    assert [event["title"] for event in arrived(receiver, "a")] == [
        "Trunk carrier is not registered",
        "Trunk other is not registered",
        "Trunk carrier is not registered (999 times)",
    ]


async def test_messages_are_never_folded(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"], foldSeconds=60), a=hook(receiver, "a"))
        await rig.happens(*(sms(f"number {number}") for number in range(40)))
        await rig.until_states(*["delivered"] * 40)
    assert len(arrived(receiver, "a")) == 40
    assert {str(event["text"]).split("\n")[0] for event in arrived(receiver, "a")} == {f"number {n}" for n in range(40)}


async def test_what_is_pending_ends_with_its_notifier(rigs: Rigs, receiver: PeerProcess) -> None:
    await receiver.ask("behave", place="hook/a", refuse=99)
    async with rigs(Patience(first=600.0)) as rig:
        wants = {"events": ["sms.received"]}
        rig.serve(notifier("a", **wants), a=hook(receiver, "a"))
        await rig.happens(sms("old"))
        await receiver.event("received")
        rig.serve(notifier("a", uid="another", **wants), a=hook(receiver, "b"))
        await rig.until_states("dropped")
        await rig.happens(sms("new"))
        await receiver.event("received", place="hook/b")
        await rig.until_states("dropped", "delivered")


async def test_nothing_is_kept_for_a_notifier_that_is_disabled(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"], enabled=False), a=hook(receiver, "a"))
        await rig.happens(sms("while disabled"))
        await asyncio.sleep(1)
        rig.serve(notifier("a", events=["sms.received"]), a=hook(receiver, "a"))
        await rig.happens(sms("afterwards"))
        assert str((await receiver.event("received"))["text"]).startswith("afterwards")
        await rig.until_states("delivered")


async def test_what_happens_while_a_url_is_wrong_is_told_once_it_is_right(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        wants = notifier("a", events=["sms.received"])
        rig.serve(wants, a="nosuch://token")
        wrong = "spec.urlSecretRef: Secret a, key url: Apprise knows no service of this name"
        assert rig.ready("a") == ("False", "SecretInvalid", wrong)
        await rig.happens(sms())
        await rig.until_states("pending")
        rig.serve(wants, a=hook(receiver, "a"))
        await rig.until_states("delivered")


async def test_a_change_while_the_controller_was_away_is_told(rigs: Rigs, receiver: PeerProcess) -> None:
    wants = notifier("a", events=["trunk.unregistered", "trunk.registered"])
    async with rigs() as rig:
        rig.serve(wants, a=hook(receiver, "a"))
        rig.service.on_reports(trunk_report(Truth.TRUE))
        await asyncio.sleep(1)
        assert await rig.kept() == (), "the first look tells nothing"
    async with rigs() as rig:
        rig.serve(wants, a=hook(receiver, "a"))
        rig.service.on_reports(trunk_report(Truth.UNKNOWN))
        rig.service.on_reports(trunk_report(Truth.FALSE))
        told = await receiver.event("received", title="Trunk carrier is not registered")
        assert str(told["text"]).startswith("the carrier refuses\n\noffice · SipTrunk/carrier")
        rig.service.on_reports(trunk_report(Truth.UNKNOWN))
        rig.service.on_reports(trunk_report(Truth.FALSE))
        rig.service.on_reports(trunk_report(Truth.TRUE))
        await receiver.event("received", title="Trunk carrier is registered again")
        await rig.until_states("delivered", "delivered")


async def test_a_template_that_cannot_be_used_stalls_the_notifier(rigs: Rigs, receiver: PeerProcess) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", template="{{ sendr }}"), a=hook(receiver, "a"))
        ready, stalled = rig.said("a").conditions
        assert (ready.status, ready.reason, stalled.type) == ("False", "Invalid", "Stalled")
        assert ready.message.startswith("spec.template: there is no sendr; there are at, ")
        rig.serve(notifier("a", template="{{ sender }}"), a=hook(receiver, "a"))
        [ready] = rig.said("a").conditions
        assert ready.status == "True"


async def test_an_outage_of_the_store_is_told_and_outlived(receiver: PeerProcess, tmp_path: Path) -> None:
    async with Postgres(tmp_path / "postgres", durable=True) as server:
        store = await asyncio.to_thread(Store.open, await server.database())
        async with NotifyRig(store, QUICK) as rig:
            rig.serve(notifier("a", events=["sms.received"]), a=hook(receiver, "a"))
            await rig.happens(sms("before"))
            await rig.until_states("delivered")
            await server.kill()
            await rig.until(lambda rig: rig.ready("a")[:2] == ("Unknown", "StoreUnavailable"))
            assert server._password not in rig.ready("a")[2]
            await server.start()
            await rig.until(lambda rig: rig.ready("a")[:2] == ("True", "Served"), limit_seconds=40)
            await rig.happens(sms("after"))
            await rig.until_states("delivered", "delivered", limit_seconds=40)
        store.close()
