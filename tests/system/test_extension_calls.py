"""What happens at an extension: forwards, voicemail, recording. On a real Asterisk, with real SIP peers."""

import asyncio
import re
from pathlib import Path

import pytest

from testbed.sip import Peer
from tests.system.calls import NAMES, dial, from_outside, hang_up, last_call, transfer
from tests.system.pbx import Pbx, from_user

EMPTY_BOX = "Messages-Waiting: no.*Message-Account: sip:[*]97@.*Voice-Message: 0/0 "

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("number", "name"), NAMES.items())
async def test_a_name_is_shown_at_the_other_phone_as_it_is_written(pbx: Pbx, number: str, name: str) -> None:
    phone = await pbx.phone("101")
    call = await dial(pbx, number, "101")
    shown = (await phone.ask("calls"))["calls"][-1]["headers"]["from"]
    quoted = re.match(r'"((?:[^"\\]|\\.)*)" <sip:(\d+)@', shown)
    assert quoted
    assert (re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2]) == (name, number)
    await hang_up(pbx, number, call)


@pytest.mark.parametrize("number", ["101;npdi=yes", "101;phone-context=+1"])
async def test_user_parameters_are_no_part_of_what_a_phone_dials(pbx: Pbx, number: str) -> None:
    await pbx.phone("101")
    await hang_up(pbx, "103", await dial(pbx, "103", number))


async def test_a_number_with_parameters_leaves_without_them(pbx: Pbx) -> None:
    await hang_up(pbx, "103", await dial(pbx, "103", "0301234567;phone-context=+49;ext=8"))
    assert (await last_call(pbx, "alpha"))["number"] == "+49301234567"


async def test_a_feature_code_with_parameters_is_the_feature_code(pbx: Pbx) -> None:
    await hang_up(pbx, "103", await dial(pbx, "103", "*43;user=1"))


async def test_a_call_is_transferred_to_a_number_with_parameters(pbx: Pbx) -> None:
    await pbx.phone("101")
    other = await pbx.phone("102")
    before = len((await other.ask("calls"))["calls"])
    call = await dial(pbx, "103", "101")
    await transfer(pbx, "101", "102;npdi=yes")
    await other.event("call", state="answered", outgoing=False, call=before + 1)
    await hang_up(pbx, "103", call)


async def test_no_answer_goes_to_the_forward(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    await pbx.phone("105", ring_seconds=20)
    call = await dial(pbx, "103", "105")
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "answered"
    await hang_up(pbx, "103", call)


async def test_a_phone_that_is_not_there_goes_to_the_forward_at_once(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    await (await pbx.phone("105")).ask("register", expires=0)
    call = await dial(pbx, "103", "105", limit_seconds=3)
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "answered"
    await hang_up(pbx, "103", call)


@pytest.mark.parametrize(("code", "greeting"), [(486, "b"), (603, "b"), (480, "u")])
async def test_an_extension_that_does_not_answer_takes_a_message(pbx: Pbx, code: int, greeting: str) -> None:
    await pbx.phone("102", code=code)
    call = await dial(pbx, "101", "102")
    shown = await pbx.asterisk.console("core show channels concise")
    assert f"!VoiceMail!102@default,{greeting}!" in shown
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize("number", ["102", "102;user=phone", "*97"])
async def test_a_phone_that_subscribes_hears_of_the_messages_in_its_own_box(pbx: Pbx, number: str) -> None:
    phone = await pbx.phone("102")
    heard = len(phone.events)
    assert (await phone.ask("subscribe", number=number))["code"] == 200
    await told(phone, EMPTY_BOX, after=heard)
    old = pbx.asterisk.settings.directories.spool / "voicemail/default/102/Old"
    old.mkdir(parents=True, exist_ok=True)
    (old / "msg0000.txt").write_text("[message]\nmsg_id=1-1\ncallerid=101\norigtime=1\nduration=3\n")
    (old / "msg0000.wav").write_bytes(b"")
    for command, body in (
        ("voicemail move 102 default Old 1-1 INBOX", "Messages-Waiting: yes.*Voice-Message: 1/0 "),
        ("voicemail remove 102 default INBOX 1-1", "Messages-Waiting: no.*Voice-Message: 0/0 "),
    ):
        heard = len(phone.events)
        await pbx.asterisk.console(command)
        await told(phone, body, after=heard)


async def told(phone: Peer, body: str, *, after: int) -> None:
    """Wait until the phone is notified so; besides, it is told unasked, without the account and in no order."""
    async with asyncio.timeout(10):
        while not any(
            re.search(body, each["body"], re.DOTALL) for each in phone.events[after:] if each["event"] == "notify"
        ):
            await asyncio.sleep(0.05)


async def test_who_has_no_mailbox_cannot_subscribe_to_one(pbx: Pbx) -> None:
    phone = await pbx.phone("103")
    assert [(await phone.ask("subscribe", number=number))["code"] for number in ("103", "*97", "999")] == [404] * 3


async def test_without_call_waiting_the_second_caller_is_sent_on(pbx: Pbx) -> None:
    phone, other = await pbx.phone("108"), await pbx.phone("101")
    first = await dial(pbx, "103", "108")
    second = await dial(pbx, "102", "108")
    assert len([c for c in (await phone.ask("calls"))["calls"] if c["state"] == "answered"]) == 1
    assert (await other.ask("calls"))["calls"][-1]["state"] == "answered"
    await hang_up(pbx, "103", first)
    await hang_up(pbx, "102", second)


async def test_a_forward_has_the_permissions_and_the_caller_id_of_its_extension(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "106")
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("+49301234567", "+4930555106")
    await hang_up(pbx, "102", call)
    await dial(pbx, "101", "107", code=403)


async def test_forwards_in_a_circle_end(pbx: Pbx) -> None:
    await dial(pbx, "101", "110", code=480)


async def test_a_recorded_call_leaves_a_file(pbx: Pbx) -> None:
    await pbx.phone("101")
    call = await dial(pbx, "109", "101")
    await asyncio.sleep(0.5)
    await hang_up(pbx, "109", call)
    await pbx.quiet()
    files = list((pbx.directory / "recordings").glob("*/*.wav"))
    assert [path.name.split("-")[1:3] for path in files] == [["109", "101"]]
    assert await asyncio.to_thread(lambda: files[0].stat().st_size) > 1000


async def test_a_recorded_member_of_a_ring_group_leaves_one_file(pbx: Pbx) -> None:
    before = set((pbx.directory / "recordings").glob("*/*.wav"))
    phone = await pbx.phone("109")
    assert (await from_outside(pbx, "+49301009"))["code"] == 200
    await asyncio.sleep(0.5)
    await phone.ask("hangup")
    await pbx.quiet()
    files = set((pbx.directory / "recordings").glob("*/*.wav")) - before
    assert [path.name.split("-")[1:3] for path in files] == [["441234567890", "109"]]


async def test_an_address_that_a_phone_registers_cannot_dial(pbx: Pbx) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    path = Path(pbx.asterisk.etc, "dialplane", "pjsip_aor.conf")
    text = await asyncio.to_thread(path.read_text)
    # Read as "PJSIP/103/sip:x" and "PJSIP/beta/sip:0900123@…": a call over beta, with beta's account.
    evil = f"contact = sip:x&PJSIP/beta/sip:0900123@127.0.0.1:{pbx.carriers['beta'].address[1]}"
    await asyncio.to_thread(path.write_text, text.replace("[103]\n", f"[103]\n{evil}\n"))
    await pbx.asterisk.console("module reload res_pjsip.so")
    assert "beta" in await pbx.asterisk.console("pjsip show aor 103")
    await dial(pbx, "101", "103", code=480)
    await asyncio.to_thread(path.write_text, text)
    await pbx.asterisk.console("module reload res_pjsip.so")
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before
