"""Where calls from a carrier go. On a real Asterisk, with real SIP peers."""

import pytest

from testbed.ports import LOOPBACK
from testbed.sip import Peer
from tests.system.calls import SHARED, from_outside, last_call
from tests.system.pbx import Pbx, from_user

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("number", ["+49301000", "49301000"])
async def test_a_did_is_reached_with_and_without_plus(pbx: Pbx, number: str) -> None:
    phone = await pbx.phone("101")
    call = await from_outside(pbx, number)
    assert call["code"] == 200
    calls = (await phone.ask("calls"))["calls"]
    assert from_user(calls[-1]) == "+441234567890"
    await phone.ask("hangup")


@pytest.mark.parametrize("number", ["+49309999", "101", "0301234567", "112", "*98"])
async def test_from_outside_nothing_but_the_listed_numbers_exists(pbx: Pbx, number: str) -> None:
    assert (await from_outside(pbx, number))["code"] == 404


async def test_a_trunk_that_registers_is_known_by_its_hosts_address_too(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49301000", uri="number"))["code"] == 200  # as carriers call that drop `;line=`
    await phone.ask("hangup")
    assert (await from_outside(pbx, "101", uri="number"))["code"] == 404


async def test_whoever_else_is_at_that_address_is_nobodys_trunk(pbx: Pbx) -> None:
    server = (LOOPBACK, pbx.asterisk.sip_port)
    async with await Peer.phone(pbx.directory, user="+441234", password="guessed", server=server) as stranger:
        assert (await stranger.ask("call", number="+49301000"))["code"] == 401


async def test_two_accounts_at_one_address_are_told_apart_by_the_number_called(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    server = (LOOPBACK, pbx.asterisk.sip_port)
    async with await Peer.carrier(pbx.directory, user="shared", server=server, host=SHARED) as carrier:
        for number, trunk in (("+49308000", "acct-a"), ("49308001", "acct-b")):
            assert (await carrier.ask("call", number=number, from_user="+441234"))["code"] == 200
            assert trunk in await pbx.asterisk.console("group show channels")
            await phone.ask("hangup")
            await pbx.quiet()
        assert (await carrier.ask("call", number="+49308002"))["code"] == 404


async def test_the_called_number_may_stand_in_the_to_header(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49302000", carrier="beta", uri="contact"))["code"] == 200
    await phone.ask("hangup")
    assert (await from_outside(pbx, "+49302001", carrier="beta", uri="contact"))["code"] == 404
    assert (await from_outside(pbx, "101", carrier="beta", uri="contact"))["code"] == 404


@pytest.mark.parametrize(
    ("number", "uri"),
    [
        ("+49301000;npdi=yes", "contact+number"),
        ("+49301000;phone-context=+1", "contact+number"),
        ("49301000;rn=+49301001;npdi", "contact+number"),
        ("+49301000%3Bext=2", "contact+number"),
        ("+49301000;npdi;rn=+49301001", "tel"),
    ],
)
async def test_user_parameters_of_the_called_address_are_no_part_of_the_number(pbx: Pbx, number: str, uri: str) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, number, uri=uri))["code"] == 200
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "answered"
    await phone.ask("hangup")


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("<sip:+49302000;rn=+49301111;npdi@example.com>", 200),
        ("<sip:+4930;rn=2000@example.com>", 404),  # glued together they would be the number
        ("<sip:+49302000;phone-context=+1@example.com;user=phone>;x=y", 200),
        ("<sip:x49302000@example.com>", 404),
        ("<tel:+49302000;rn=+4930>", 200),
        ("tel:+49302000;npdi=yes", 200),
        ('"tel:+4930" <TEL:+49-30-2000>', 200),
        ("<tel:+4930;ext=2000>", 404),
        ("<sip:example.com>", 404),
    ],
)
async def test_the_number_in_the_to_header_has_no_parameters(pbx: Pbx, to: str, code: int) -> None:
    phone = await pbx.phone("101")
    call = await from_outside(pbx, "1", carrier="beta", uri="contact", headers={"to": to})
    assert call["code"] == code
    if code == 200:
        await phone.ask("hangup")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("<sip:+441234;cpc=55@example.com>", "<sip:+441234@"),
        ("<tel:+44-1234;phone-context=+99>", "<sip:+441234@"),
        ("<sip:(01234)56.78-9@example.com>", "<sip:+49123456789@"),
        ("<sip:alice7@example.com>", '"Anonymous" <sip:anonymous@'),
        ("<sip:12%22,7@example.com>", '"Anonymous" <sip:anonymous@'),
        (
            '"O\'Brien, Smith-Jones & Co. (UK)" <sip:+441234@example.com>',
            '"O\'Brien, Smith-Jones & Co. (UK)" <sip:+441234@',
        ),
        ('"x\\" ${EXTEN} <112>; $[1]" <sip:+441234@example.com>', '"x EXTEN 112 1" <sip:+441234@'),
    ],
)
async def test_a_caller_is_shown_by_the_digits_of_a_number_alone(pbx: Pbx, given: str, shown: str) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49301000", headers={"from": f"{given};tag=a{len(given)}"}))["code"] == 200
    assert (await phone.ask("calls"))["calls"][-1]["headers"]["from"].startswith(shown)
    await phone.ask("hangup")


async def test_a_ring_group_rings_all_and_the_first_takes_it(pbx: Pbx) -> None:
    phones = [await pbx.phone(n, ring_seconds=s) for n, s in (("101", 3), ("102", 0.5), ("108", 3))]
    told = [len(phone.events) for phone in phones]
    assert (await from_outside(pbx, "+49301001"))["code"] == 200
    for index in (0, 2):
        await phones[index].event("call", after=told[index], state="ended")
    calls = [(await phone.ask("calls"))["calls"][-1] for phone in phones]
    assert [call["state"] for call in calls] == ["ended", "answered", "ended"]
    await phones[1].ask("hangup")


async def test_a_ring_group_that_nobody_answers_goes_on(pbx: Pbx) -> None:
    for number in ("101", "102", "108"):
        await pbx.phone(number, ring_seconds=20)
    call = await from_outside(pbx, "+49301001")
    assert call["code"] == 200
    assert any("dp-leave-message" in c and "VoiceMail" in c for c in await pbx.channels())
    await pbx.carriers["alpha"].ask("hangup", call=call["call"])


async def test_a_ring_group_in_sequence_rings_one_after_another(pbx: Pbx) -> None:
    await pbx.phone("101", code=486)
    second = await pbx.phone("102", ring_seconds=0.2)
    last = await pbx.phone("108")
    before = len((await last.ask("calls"))["calls"])
    assert (await from_outside(pbx, "+49301002"))["code"] == 200
    assert (await second.ask("calls"))["calls"][-1]["state"] == "answered"
    assert len((await last.ask("calls"))["calls"]) == before
    await second.ask("hangup")


@pytest.mark.parametrize("number", ["+49301003", "+49301004"])
async def test_a_schedule_sends_calls_by_the_time_of_day(pbx: Pbx, number: str) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, number))["code"] == 200
    await phone.ask("hangup")


async def test_a_number_of_the_site_is_dialled_out(pbx: Pbx) -> None:
    call = await from_outside(pbx, "+49301005", carrier="alpha")
    assert call["code"] == 200
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("+49309999", "+49301000")
    await pbx.carriers["alpha"].ask("hangup", call=call["call"])


async def test_a_route_may_end_the_call(pbx: Pbx) -> None:
    assert (await from_outside(pbx, "+49301008"))["code"] == 603
