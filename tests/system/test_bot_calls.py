"""Calls to a bot: taken, refused, transferred, left alone. On a real Asterisk, with real SIP peers and no controller.

Phone 103 calls; 101 is the fallback.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.readback import read_back
from dialplane.plan.dialplan.voice_bots import APPLICATIONS, MOST_BOTS, VOICE_BOT
from dialplane.plan.objects import Objects
from dialplane.plan.voice_bots import next_code
from dialplane.resources.key import Key
from tests.asterisk.real_asterisk import address
from tests.eventually import eventually
from tests.system.bot_side import BotSide, WaitingCall, left
from tests.system.calls import dial, from_outside, hang_up, last_call
from tests.system.pbx import Pbx

NUMBER, ALONE = "890", "891"
"""Of two bots: the receptionist, and one that takes one call at a time."""

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _at_rest(pbx: Pbx) -> AsyncIterator[None]:
    for number in ("101", "102", "103"):
        await pbx.phone(number)
    yield
    await pbx.asterisk.console(f"database del {APPLICATIONS.replace('/', ' ')}")
    await pbx.asterisk.console("channel request hangup all")
    await nothing_left(pbx)


@asynccontextmanager
async def open_applications(pbx: Pbx, *names: str) -> AsyncIterator[list[BotSide]]:
    """Bots that take calls, and are listed as such."""
    async with AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(BotSide(pbx.asterisk, name)) for name in names]
        await pbx.asterisk.console(f"database put {APPLICATIONS.replace('/', ' ')} {'&'.join(names)}")
        yield sides


@asynccontextmanager
async def calling(pbx: Pbx, number: str = NUMBER, who: str = "103") -> AsyncIterator[None]:
    """Somebody calls meanwhile."""
    phone = await pbx.phone(who)
    call = asyncio.create_task(phone.ask("call", number=number))
    yield
    await call


async def rung(pbx: Pbx, number: str, before: int) -> dict[str, Any]:
    """The next call that a phone takes."""
    return await (await pbx.phone(number)).event("call", after=before, state="answered", outgoing=False)


async def events(pbx: Pbx, number: str = "101") -> int:
    return len((await pbx.phone(number)).events)


async def spoken_with(side: BotSide) -> WaitingCall:
    """The next call, taken."""
    call = await side.call()
    await side.take(call)
    await connected(side, call)
    return call


async def connected(side: BotSide, call: WaitingCall) -> None:
    async def together() -> bool:
        _, bridges = await side.ask("GET", "bridges")
        return any({call.caller, call.media} <= set(bridge["channels"]) for bridge in bridges)

    await eventually(together)


async def nothing_left(pbx: Pbx) -> None:
    async def seen() -> list[str]:
        return await left(pbx.asterisk)

    await eventually(seen, holds=lambda found: not found)


async def test_without_a_bot_the_fallback_answers_at_once(pbx: Pbx) -> None:
    before = await events(pbx)
    await hang_up(pbx, "103", await dial(pbx, "103", NUMBER))
    await rung(pbx, "101", before)


async def test_an_application_that_is_gone_is_passed_over(pbx: Pbx) -> None:
    await pbx.asterisk.console(f"database put {APPLICATIONS.replace('/', ' ')} gone-1&gone-2")
    before = await events(pbx)
    await dial(pbx, "103", NUMBER)
    await rung(pbx, "101", before)


async def test_a_call_that_one_bot_refuses_is_the_next_ones(pbx: Pbx) -> None:
    async with open_applications(pbx, "refusing", "taking") as (refusing, taking), calling(pbx):
        seen = [asyncio.create_task(side.call()) for side in (refusing, taking)]
        first, _ = await asyncio.wait(seen, return_when=asyncio.FIRST_COMPLETED)
        if seen[0] in first:
            await refusing.refuse(seen[0].result())
        call = await seen[1]
        assert call.bot == "receptionist"
        await taking.take(call)
        await connected(taking, call)
        seen[0].cancel()
        await taking.end(call, "hangup")


async def test_a_bot_that_hangs_keeps_no_caller_waiting(pbx: Pbx) -> None:
    """It neither takes nor refuses the call: after two seconds the next one is asked, and then the fallback."""
    before = await events(pbx)
    async with open_applications(pbx, "hanging-1", "hanging-2") as sides, calling(pbx):
        for each in asyncio.as_completed([side.call() for side in sides]):
            await each
        await rung(pbx, "101", before)


async def test_a_caller_goes_to_the_fallback_when_the_media_breaks_off(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        call, before = await spoken_with(side), await events(pbx)
        side.media[call.media].get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # as a process that is killed
        await rung(pbx, "101", before)


@pytest.mark.parametrize(("then", "number"), [("sales", "102"), ("desks", "102"), ("lift", "801")])
async def test_a_bot_sends_its_caller_on(pbx: Pbx, then: str, number: str) -> None:
    """A lift's telephone rings only in alarm, which is in Asterisk's database: a bot keeps nobody from reading it."""
    await pbx.phone("801")
    await pbx.asterisk.console("database put dpcabin 801 1")
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        call, before = await spoken_with(side), await events(pbx, number)
        assert await side.end(call, then) == (204, None)
        arrived = await rung(pbx, number, before)
        assert "<sip:103@" in arrived["headers"]["from"]
    await pbx.asterisk.console("database deltree dpcabin")


async def test_a_bot_sends_its_caller_to_a_number_outside(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        assert await side.end(await spoken_with(side), "partner") == (204, None)
        await pbx.carriers["alpha"].event("call", state="answered", outgoing=False)
    assert (await last_call(pbx, "alpha"))["number"] == "+49309999"


async def test_a_bot_ends_the_call(pbx: Pbx) -> None:
    phone = await pbx.phone("103")
    before = len(phone.events)
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        assert await side.end(await spoken_with(side), "hangup") == (204, None)
        await phone.event("call", after=before, state="ended")


HOSTILE = (
    "17",
    str(next_code("elsewhere")),
    f"{next_code('sales')}0",
    f"-{next_code('sales')}",
    "2147483647",
    "99999999999999999999999",
    "sales",
    "102,1",
    "${SHELL(id)}",
    "../102",
    "",
)


@pytest.mark.parametrize("cause", HOSTILE, ids=range(len(HOSTILE)))
async def test_nothing_else_that_a_bot_says_is_a_way_on(pbx: Pbx, cause: str) -> None:
    """Asterisk refuses a cause that begins with no number; then the bot has only its socket to close."""
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        call, before = await spoken_with(side), await events(pbx)
        if await side.end(call, reason_code=cause) != (204, None):
            await side.media[call.media].close()
        await rung(pbx, "101", before)


async def test_one_call_more_than_a_bot_takes_goes_to_the_fallback(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,), calling(pbx, ALONE):
        call, before = await spoken_with(side), await events(pbx, "102")
        await dial(pbx, "101", ALONE)
        await rung(pbx, "102", before)
        await side.end(call, "hangup")
        async with calling(pbx, ALONE):
            await side.end(await spoken_with(side), "hangup")


async def test_callers_who_were_sent_on_are_no_longer_the_bots(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,):
        async with calling(pbx, ALONE):
            call, before = await spoken_with(side), await events(pbx, "102")
            await side.end(call)
            await rung(pbx, "102", before)
        async with calling(pbx, ALONE, "101"):
            await side.end(await spoken_with(side), "hangup")


async def test_a_call_that_lasts_too_long_goes_to_the_fallback(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        call, before = await spoken_with(side), await events(pbx)
        async with await pbx.asterisk.ami(pbx.asterisk.settings.calls) as ami:
            channel = (await side.ask("GET", f"channels/{call.caller}"))[1]["name"]
            asked = await ami.action("Getvar", Channel=channel, Variable="TIMEOUT(absolute)")
            assert 890 < float(asked["Value"]) <= 900
            await ami.action("AbsoluteTimeout", Channel=channel, Timeout="1")
            await rung(pbx, "101", before)
            asked = await ami.action("Getvar", Channel=channel, Variable="TIMEOUT(absolute)")
            assert float(asked["Value"]) == 0


async def test_bots_that_send_a_caller_to_each_other_come_to_an_end(pbx: Pbx) -> None:
    before = await events(pbx)
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        for _ in range(MOST_BOTS):
            assert await side.end(await spoken_with(side), "again") == (204, None)
        await rung(pbx, "101", before)


async def test_a_caller_who_hangs_up_leaves_nothing(pbx: Pbx) -> None:
    phone = await pbx.phone("103")
    async with open_applications(pbx, "bot") as (side,):
        async with calling(pbx):
            call = await spoken_with(side)
        await phone.ask("hangup")
        await nothing_left(pbx)
        async for _ in side.media[call.media]:  # what it heard
            pass
        assert side.media[call.media].closed


async def test_a_caller_who_hangs_up_before_the_bot_takes_the_call_leaves_nothing(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        call = await side.call()
        await pbx.asterisk.console("channel request hangup all")
        await nothing_left(pbx)
        assert (await side.ask("GET", f"channels/{call.caller}"))[0] == 404


async def test_a_bot_that_is_asleep_has_its_callers_go_to_the_fallback(pbx: Pbx) -> None:
    before = await events(pbx, "102")
    async with open_applications(pbx, "bot"):
        call = await from_outside(pbx, "+49301011")
        await rung(pbx, "102", before)
        await pbx.carriers["alpha"].ask("hangup", call=call["call"])


async def test_a_bot_answers_where_a_ring_group_does_not(pbx: Pbx) -> None:
    async with open_applications(pbx, "bot") as (side,):
        calls = asyncio.create_task(from_outside(pbx, "+49301012"))
        await side.end(await spoken_with(side), "hangup")
        assert (await calls)["code"] == 200


async def test_a_caller_whom_the_bot_listens_to_gets_packets(pbx: Pbx) -> None:
    """A NAT, or a carrier, would take the call for dead."""
    phone = await pbx.phone("103")

    async def received() -> int:
        return int((await phone.ask("calls"))["calls"][-1]["rtp_received"])

    async with open_applications(pbx, "bot") as (side,), calling(pbx):
        call = await spoken_with(side)
        await eventually(received, holds=lambda count: count > 1)
        await side.end(call, "hangup")


async def test_asterisk_has_all_of_it_and_every_module_it_needs(pbx: Pbx) -> None:
    """Two of the endpoints stand for all."""
    objects = pbx.plan.objects
    contexts = tuple(c for c in objects.contexts if c.name.startswith(("dp-voice", "dp-bot", "dp-cos")))
    assert {"dp-voicebots", "dp-voicebot-numbers", "dp-voicebot-groups", "dp-bot-receptionist", VOICE_BOT.context} <= {
        c.name for c in contexts
    }
    endpoints = tuple(o for o in objects.pjsip if o.name in {"endpoint/103", "endpoint/alpha"})
    assert [dict(o.options)["rtp_keepalive"] for o in endpoints] == ["2", "2"]
    async with Ami.connect(address(pbx.asterisk)) as ami:
        assert await read_back(ami, Objects(contexts=contexts, pjsip=endpoints)) == ()
        assert "Unloaded" in await pbx.asterisk.console("module unload chan_websocket.so")
        try:
            missing = await read_back(ami, Objects(contexts=contexts))
        finally:
            await pbx.asterisk.console("module load chan_websocket.so")
    assert {(each.owner, each.module) for each in missing} == {
        (Key("VoiceBot", name), "chan_websocket.so") for name in ("alone", "receptionist")
    }
