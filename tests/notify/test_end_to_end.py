"""Four services, as they really are spoken to: mail by SMTP, a webhook, Telegram's Bot API, a Bark server."""

import pytest

from dialplane.services.notify.wording import CUT
from testbed import mail_server
from testbed.peer import PeerProcess
from testbed.receiver import BOT_TOKEN
from tests.notify.conftest import Rigs
from tests.notify.site import notifier, sms

AWKWARD = {
    "unicode": "Ж你好🎉 émoji 👩‍👩‍👧 \u202eright to left",
    "quotes": "\"double\" 'single' `back` \\ \\n %s ${IFS} $(reboot); {{ 7*7 }} {% raw %}",
    "markup": "<b>bold</b> &amp; <script>alert(1)</script> *star* _under_ [a](http://b)",
    "lines": "first\nsecond\n\n  third, indented\n.\n..dots\nFrom me",
    "nul": "before\ufffdafter",
    "long": "x" * 9_990 + " the end 🎉",
}

awkward = pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())


@awkward
async def test_a_webhook_gets_every_text_whole(rigs: Rigs, receiver: PeerProcess, text: str) -> None:
    async with rigs() as rig:
        rig.serve(
            notifier("a", events=["sms.received"], template="{{ text }}", title="From {{ sender }}"),
            a=f"json://127.0.0.1:{receiver.address[1]}/hook/a",
        )
        await rig.happens(sms(text.replace("\ufffd", "\0")))
        told = await receiver.event("received", place="hook/a")
        assert (told["title"], told["text"]) == ("From +15550100", text)
        await rig.until_states("delivered")


@awkward
async def test_a_mail_server_gets_every_text_whole(rigs: Rigs, mail: PeerProcess, text: str) -> None:
    async with rigs() as rig:
        account = f"{mail_server.USER}:{mail_server.PASSWORD}"
        rig.serve(
            notifier("a", events=["sms.received"]),
            a=f"mailto://{account}@127.0.0.1:{mail.address[1]}?mode=insecure&from=alarm@example.com&to=me@example.org",
        )
        await rig.happens(sms(text.replace("\ufffd", "\0"), sender="Bänk"))
        told = await mail.event("received")
        await rig.until_states("delivered")
        [kept] = await rig.kept()
    assert told["to"] == ["me@example.org"]
    assert told["subject"] == "SMS from Bänk"
    assert told["text"].replace("\r\n", "\n").startswith(f"{text}\n\noffice · Dongle/gsm1 · ")
    assert told["text"].rstrip().endswith(f"id {kept.delivery.id}")
    assert told["headers"]["X-Dialplane-Delivery"] == kept.delivery.id


async def test_a_mail_server_that_is_busy_is_asked_again_and_a_wrong_password_is_told(
    rigs: Rigs, mail: PeerProcess
) -> None:
    await mail.ask("behave", refuse=1)
    address = f"127.0.0.1:{mail.address[1]}?mode=insecure&from=alarm@example.com&to=me@example.org"
    async with rigs() as rig:
        rig.serve(
            notifier("right", events=["sms.received"]),
            notifier("wrong", events=["sms.received"]),
            right=f"mailto://{mail_server.USER}:{mail_server.PASSWORD}@{address}",
            wrong=f"mailto://{mail_server.USER}:secret-guess@{address}",
        )
        await rig.happens(sms())
        await rig.until(lambda rig: rig.said("right").fields.get("delivered") == 1)
        await rig.until(lambda rig: rig.said("wrong").fields.get("failed") == 1)
        assert rig.said("wrong").fields["lastError"] == "SMTP 535"
    assert [event["answer"] for event in mail.events if event["event"] == "received"] == ["451 later", "250 taken"]


@pytest.fixture
async def behind_a_proxy(receiver: PeerProcess, monkeypatch: pytest.MonkeyPatch) -> PeerProcess:
    ready = await receiver.event("ready")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{receiver.address[1]}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ready["certificate"])
    return receiver


@awkward
async def test_telegram_gets_a_text_whole_or_cut_with_a_mark(
    rigs: Rigs, behind_a_proxy: PeerProcess, text: str
) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=f"tgram://{BOT_TOKEN}/424242")
        await rig.happens(sms(text.replace("\ufffd", "\0"), sender="<Bänk & Co>"))
        told = await behind_a_proxy.event("received", place="telegram/424242")
        await rig.until_states("delivered")
        [kept] = await rig.kept()
    title, _, body = told["text"].partition("\n")
    assert title.strip() == "SMS from <Bänk & Co>"
    assert body.rstrip().endswith(f"id {kept.delivery.id}")
    if len(text) < 4000:
        assert body.strip().startswith(f"{text}\n\noffice · ")
    else:
        assert body.strip().startswith("x" * 3000)
        assert f"{CUT}\n\noffice · " in body


async def test_telegram_s_refusal_is_told_without_the_token(rigs: Rigs, behind_a_proxy: PeerProcess) -> None:
    async with rigs() as rig:
        wrong = BOT_TOKEN.replace("AAE", "BBE")
        rig.serve(notifier("a", events=["sms.received"]), a=f"tgram://{wrong}/424242")
        await rig.happens(sms())
        await rig.until(lambda rig: rig.said("a").fields.get("failed") == 1)
        assert rig.said("a").fields["lastError"] == "HTTP 401"
    assert not [event for event in behind_a_proxy.events if event["event"] == "received"]


@awkward
async def test_bark_gets_a_text_whole_or_cut_with_a_mark(rigs: Rigs, receiver: PeerProcess, text: str) -> None:
    async with rigs() as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=f"bark://127.0.0.1:{receiver.address[1]}/device-key")
        await rig.happens(sms(text.replace("\ufffd", "\0")))
        told = await receiver.event("received", place="bark/device-key")
        await rig.until_states("delivered")
        [kept] = await rig.kept()
    assert told["title"] == "SMS from +15550100"
    assert told["text"].endswith(f"id {kept.delivery.id}")
    assert told["text"].startswith(f"{text}\n\noffice · " if len(text) < 2000 else "x" * 2000)
    assert (CUT in told["text"]) is (len(text) > 2000)
