"""Where calls from a carrier go. On a real Asterisk, with real SIP peers."""

import pytest

from tests.system.calls import from_outside, last_call
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


async def test_the_called_number_may_stand_in_the_to_header(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49302000", carrier="beta", uri="contact"))["code"] == 200
    await phone.ask("hangup")
    assert (await from_outside(pbx, "+49302001", carrier="beta", uri="contact"))["code"] == 404
    assert (await from_outside(pbx, "101", carrier="beta", uri="contact"))["code"] == 404


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
