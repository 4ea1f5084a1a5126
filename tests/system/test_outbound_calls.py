"""What phones may dial, and how it leaves. On a real Asterisk, with real SIP peers."""

import asyncio
import time

import pytest

from tests.system.calls import dial, from_outside, hang_up, last_call
from tests.system.pbx import Pbx, from_user

SLACK_SECONDS = 2.5

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("who", "number", "code"),
    [
        ("101", "00441234567", 200),
        ("103", "0301234567", 200),
        ("103", "00441234567", 403),
        ("102", "0301234567", 403),
        ("104", "0301234567", 403),
        ("104", "101", 404),
        ("104", "*43", 404),
        ("101", "999", 404),
        ("101", "0301,s,evil", 484),
        ("101", "030&PJSIP", 484),
    ],
)
async def test_a_phone_dials_what_its_class_of_service_allows(pbx: Pbx, who: str, number: str, code: int) -> None:
    call = await dial(pbx, who, number, code=code)
    if code == 200:
        await hang_up(pbx, who, call)


async def test_a_carrier_is_sent_the_number_and_the_caller_as_the_trunk_says(pbx: Pbx) -> None:
    for who, shown in (("101", "+49305550101"), ("103", "+49301000")):
        call = await dial(pbx, who, "0301234567")
        seen = await last_call(pbx, "alpha")
        assert (seen["number"], from_user(seen)) == ("+49301234567", shown)
        await hang_up(pbx, who, call)


@pytest.mark.parametrize("code", [503, 500, 504, 408, 302])
async def test_a_trunk_that_fails_hands_over_to_the_next(pbx: Pbx, code: int) -> None:
    await pbx.carriers["alpha"].ask("answer", code=code)
    call = await dial(pbx, "101", "0301234567")
    seen = await last_call(pbx, "beta")
    assert (seen["number"], from_user(seen)) == ("0301234567", "0305550101")
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize("code", [403, 404, 410, 480, 484, 486, 488, 600, 603, 604, 606])
async def test_what_the_callee_says_ends_the_call_and_reaches_the_phone_as_it_is(pbx: Pbx, code: int) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    await pbx.carriers["alpha"].ask("answer", code=code)
    await dial(pbx, "101", "0301234567", code=code)
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before


async def test_a_trunk_that_stays_silent_hands_over_within_its_answer_seconds(pbx: Pbx) -> None:
    await pbx.carriers["alpha"].ask("answer", unheard="INVITE")
    started = time.monotonic()
    call = await dial(pbx, "101", "0301234567")
    assert 2 <= time.monotonic() - started < 2 + SLACK_SECONDS
    assert (await last_call(pbx, "beta"))["number"] == "0301234567"
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize("provisional", [100, 180, 183])
async def test_a_trunk_that_has_answered_at_all_is_waited_for(pbx: Pbx, provisional: int) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    await pbx.carriers["alpha"].ask("answer", provisional=provisional, ring_seconds=2.7)
    call = await dial(pbx, "101", "0301234567")
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before
    await hang_up(pbx, "101", call)


async def test_a_full_trunk_hands_over_to_the_next_and_refuses_calls_from_outside(pbx: Pbx) -> None:
    await pbx.phone("101", ring_seconds=0.1)
    calls = [await dial(pbx, "101", f"03012345{n}") for n in range(3)]
    assert (await last_call(pbx, "beta"))["number"] == "030123452"
    assert (await from_outside(pbx, "+49301000"))["code"] == 486
    for call in calls:
        await hang_up(pbx, "101", call)


@pytest.mark.parametrize("number", ["00441234567", "0301234567"])
async def test_a_blind_transfer_has_the_permissions_of_whoever_transfers(pbx: Pbx, number: str) -> None:
    callee = await pbx.phone("102")
    before = len((await pbx.carriers["alpha"].ask("calls"))["calls"])
    await dial(pbx, "101", "102")
    assert (await callee.ask("transfer", number=number))["code"] == 202
    await asyncio.sleep(0.7)
    assert len((await pbx.carriers["alpha"].ask("calls"))["calls"]) == before
    for who in ("101", "102"):
        await (await pbx.phone(who)).ask("hangup")


async def test_a_transfer_of_a_caller_from_outside_may_go_where_the_extension_may(pbx: Pbx) -> None:
    phone = await pbx.phone("101")
    assert (await from_outside(pbx, "+49301000"))["code"] == 200
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    told = len(pbx.carriers["beta"].events)
    await pbx.carriers["alpha"].ask("answer", code=503)
    assert (await phone.ask("transfer", number="0307654321"))["code"] == 202
    await pbx.carriers["beta"].event("call", after=told, state="answered")
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before + 1
    for peer in (phone, pbx.carriers["beta"]):
        await peer.ask("hangup")


async def test_the_echo_test_answers(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "*43")
    await hang_up(pbx, "102", call)


async def test_own_voicemail_answers_only_who_has_a_box(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "*97")
    assert "!VoiceMailMain!102@default!" in await pbx.asterisk.console("core show channels concise")
    await hang_up(pbx, "102", call)
    await dial(pbx, "101", "*97", code=404)
