"""What phones may dial, and how it leaves. On a real Asterisk, with real SIP peers."""

import asyncio
import re
import time
from itertools import combinations
from typing import Any

import pytest

from dialplane.plan.dialplan.patterns import overlap, precedence
from tests.system.calls import dial, from_outside, hang_up, last_call, transfer
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


async def test_asterisk_looks_through_patterns_in_the_order_of_their_precedence(pbx: Pbx) -> None:
    patterns = [
        "_0X.",
        "_03X.",
        "_0Z.",
        "_0[1-9]X.",
        "_00X.",
        "_0[35]X.",
        "_0N.",
        "_0X!",
        "_030",
        "030",
        "_03!",
        "_XX.",
        "_0[1-9]!",
        "_0[13579]X.",
        "_0[1-8]X.",
        "_03X!",
        "_+49X.",
        "_*21X.",
        "_[0-9*#]X.",
        "_NXX",
        "_1XX",
        "101",
    ]
    for each in patterns:
        await pbx.asterisk.console(f"dialplan add extension {each},1,NoOp() into patterns")
    shown = re.findall(r"^ *'([^']+)' =>", await pbx.show("patterns"), re.MULTILINE)
    await pbx.asterisk.console("dialplan remove context patterns")
    assert sorted(shown) == sorted(patterns)
    order = {each: place for place, each in enumerate(shown)}
    for one, other in combinations(sorted(patterns, key=precedence), 2):
        assert order[one] < order[other] or not overlap(one, other), (one, other)


async def test_a_carrier_is_sent_the_number_and_the_caller_as_the_trunk_says(pbx: Pbx) -> None:
    for who, shown in (("101", "+49305550101"), ("103", "+49301000")):
        call = await dial(pbx, who, "0301234567")
        seen = await last_call(pbx, "alpha")
        assert (seen["number"], from_user(seen)) == ("+49301234567", shown)
        await hang_up(pbx, who, call)


@pytest.mark.parametrize("code", [503, 500, 504, 408, 302, 401, 407, 420])
async def test_a_trunk_that_fails_hands_over_to_the_next(pbx: Pbx, code: int) -> None:
    await pbx.carriers["alpha"].ask("answer", code=code)
    call = await dial(pbx, "101", "0301234567")
    seen = await last_call(pbx, "beta")
    assert (seen["number"], from_user(seen)) == ("0301234567", "0305550101")
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize("code", [403, 404, 410, 422, 480, 484, 486, 488, 600, 603, 604, 606])
async def test_what_the_callee_says_ends_the_call_and_reaches_the_phone_as_it_is(pbx: Pbx, code: int) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    await pbx.carriers["alpha"].ask("answer", code=code)
    await dial(pbx, "101", "0301234567", code=code)
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before


@pytest.mark.parametrize(
    ("codes", "heard"), [((503, 404), 404), ((420, 500), 420), ((408, 503), 503), ((407, 302), 503)]
)
async def test_where_all_trunks_fail_the_phone_hears_what_was_said_of_the_number(
    pbx: Pbx, codes: tuple[int, int], heard: int
) -> None:
    for name, code in zip(("alpha", "beta"), codes, strict=True):
        await pbx.carriers[name].ask("answer", code=code)
    await dial(pbx, "101", "0301234567", code=heard)


@pytest.mark.parametrize("silence", [{"provisional": 100}, {"provisional": 0}, {"unheard": "INVITE"}], ids=str)
async def test_a_trunk_that_does_not_ring_within_its_answer_seconds_hands_over(
    pbx: Pbx, silence: dict[str, Any]
) -> None:
    await pbx.carriers["alpha"].ask("answer", **({"ring_seconds": 10} | silence))
    started = time.monotonic()
    call = await dial(pbx, "101", "0301234567")
    assert 2 <= time.monotonic() - started < 2 + SLACK_SECONDS
    assert (await last_call(pbx, "beta"))["number"] == "0301234567"
    assert len(await pbx.channels()) == 2, "what was left is hung up, and nothing watches beside the call"
    await hang_up(pbx, "101", call)


@pytest.mark.parametrize(("number", "provisional"), [("0301234567", 180), ("0301234567", 183), ("00441234567", 100)])
async def test_a_trunk_that_rings_or_is_the_last_one_is_waited_for(pbx: Pbx, number: str, provisional: int) -> None:
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    await pbx.carriers["alpha"].ask("answer", provisional=provisional, ring_seconds=2.4)
    call = await dial(pbx, "101", number)
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
    await pbx.phone("102")
    before = len((await pbx.carriers["alpha"].ask("calls"))["calls"])
    await dial(pbx, "101", "102")
    await transfer(pbx, "102", number)
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
    await transfer(pbx, "101", "0307654321")
    await pbx.carriers["beta"].event("call", after=told, state="answered")
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before + 1
    for peer in (phone, pbx.carriers["beta"]):
        await peer.ask("hangup")


async def test_a_caller_who_is_transferred_to_a_number_that_does_not_exist_is_hung_up(pbx: Pbx) -> None:
    alpha, phone = pbx.carriers["alpha"], await pbx.phone("101")
    call = await from_outside(pbx, "+49301000")
    assert call["code"] == 200
    seen = len(alpha.events)
    await alpha.ask("answer", code=604)
    await transfer(pbx, "101", "0307654321")
    await alpha.event("call", after=seen, call=call["call"], state="ended", ended_by="them")
    await phone.ask("hangup")


async def test_the_echo_test_answers(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "*43")
    await hang_up(pbx, "102", call)


async def test_own_voicemail_answers_only_who_has_a_box(pbx: Pbx) -> None:
    call = await dial(pbx, "102", "*97")
    assert "!VoiceMailMain!102@default!" in await pbx.asterisk.console("core show channels concise")
    await hang_up(pbx, "102", call)
    await dial(pbx, "101", "*97", code=404)
