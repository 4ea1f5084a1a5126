"""The emergency telephone of a lift: its test calls, its alarms, and calls into the cabin. On a real Asterisk, with real
SIP peers, and with no controller."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.eventually import eventually
from tests.system.calls import LOCATION, dial, forget_spooled, from_outside, hang_up, last_call, spooled
from tests.system.pbx import Pbx

ALARM = {"dpcabin": ["801"]}

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _at_rest(pbx: Pbx) -> AsyncIterator[None]:
    await forget_spooled(pbx)
    yield
    await forget_spooled(pbx)


def alarm(number: str, *answered: str) -> dict[str, list[str]]:
    """What one call of the cabin leaves."""
    lines = [*(f"lift-2|answered|{who}" for who in answered), f"lift-2|alarm|{number}"]
    return {"dpelev": sorted(lines), **ALARM}


async def until_spooled(pbx: Pbx, expected: dict[str, list[str]]) -> None:
    async def seen() -> dict[str, list[str]]:
        return {family: sorted(lines) for family, lines in (await spooled(pbx)).items()}

    await eventually(seen, holds=lambda found: found == expected)


async def test_a_test_call_is_answered_and_recorded_once(pbx: Pbx) -> None:
    cabin = await pbx.phone("801")
    call = await dial(pbx, "801", "880")
    await cabin.event("call", state="ended", call=call["call"])  # the routine hangs up by itself
    await pbx.quiet()
    assert await spooled(pbx) == {"dpelev": ["lift-2|test|880"]}


async def test_nobody_else_makes_a_test_call(pbx: Pbx) -> None:
    await dial(pbx, "103", "880", code=404)
    assert await spooled(pbx) == {}


async def test_any_other_call_raises_the_alarm_and_shows_where_it_comes_from(pbx: Pbx) -> None:
    phone = await pbx.phone("102")
    call = await dial(pbx, "801", "102")
    shown = (await phone.ask("calls"))["calls"][-1]["headers"]["from"]
    quoted = re.match(r'"((?:[^"\\]|\\.)*)" <sip:(\d+)@', shown)
    assert quoted
    assert (re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2]) == (LOCATION, "801")
    assert await spooled(pbx) == alarm("102")
    await hang_up(pbx, "801", call)
    await until_spooled(pbx, alarm("102", "102"))


async def test_an_alarm_that_nobody_answers_stays_unanswered(pbx: Pbx) -> None:
    await pbx.phone("103", code=486)
    await dial(pbx, "801", "103", code=486)
    await pbx.quiet()
    assert await spooled(pbx) == alarm("103")


async def test_an_emergency_call_goes_out_and_raises_the_alarm(pbx: Pbx) -> None:
    call = await dial(pbx, "801", "112")
    assert (await last_call(pbx, "alpha"))["number"] == "112"
    await hang_up(pbx, "801", call)
    await until_spooled(pbx, alarm("112", "112@alpha"))


async def test_an_emergency_call_goes_out_though_nothing_can_be_written_down(pbx: Pbx) -> None:
    assert "Unloaded func_db.so" in await pbx.asterisk.console("module unload func_db.so")
    try:
        call = await dial(pbx, "801", "112")
        assert (await last_call(pbx, "alpha"))["number"] == "112"
        await hang_up(pbx, "801", call)
        await pbx.quiet()
    finally:
        await pbx.asterisk.console("module load func_db.so")
    assert await spooled(pbx) == {}


@pytest.mark.parametrize(("number", "code"), [("999", 404), ("00441234567890", 403)])
async def test_who_dials_what_leads_nowhere_is_in_need_all_the_same(pbx: Pbx, number: str, code: int) -> None:
    await dial(pbx, "801", number, code=code)
    assert await spooled(pbx) == alarm(number)


async def test_a_cabin_at_rest_is_called_by_its_operators_alone(pbx: Pbx) -> None:
    cabin = await pbx.phone("801")
    before = len((await cabin.ask("calls"))["calls"])
    await dial(pbx, "102", "801", code=403)
    assert (await from_outside(pbx, "+49301010"))["code"] == 403
    assert len((await cabin.ask("calls"))["calls"]) == before
    await hang_up(pbx, "101", await dial(pbx, "101", "801"))
    assert await spooled(pbx) == {}


async def test_a_cabin_in_alarm_is_called_back_by_anybody(pbx: Pbx) -> None:
    await dial(pbx, "801", "999", code=404)
    await hang_up(pbx, "102", await dial(pbx, "102", "801"))
    call = await from_outside(pbx, "+49301010")
    assert call["code"] == 200
    await pbx.carriers["alpha"].ask("hangup", call=call["call"])
    await until_spooled(pbx, alarm("999", "102", "+441234567890"))


async def test_a_call_into_the_cabin_goes_nowhere_else(pbx: Pbx) -> None:
    """Its Extension has a mailbox and a forward."""
    await pbx.phone("801", code=486)
    await dial(pbx, "101", "801", code=486)
    await (await pbx.phone("801")).ask("register", expires=0)
    await dial(pbx, "101", "801", code=480)


async def test_who_is_transferred_by_the_cabin_is_not_taken_for_it(pbx: Pbx) -> None:
    other = await pbx.phone("103")
    before = len(other.events)
    cabin = await pbx.phone("801")
    call = await dial(pbx, "101", "801")
    assert (await cabin.ask("transfer", number="103"))["code"] == 202
    await other.event("call", after=before, state="answered", outgoing=False)
    await hang_up(pbx, "101", call)
    assert await spooled(pbx) == {}


async def test_a_cabin_that_was_transferred_was_answered(pbx: Pbx) -> None:
    operator = await pbx.phone("101")
    await pbx.phone("103", code=486)
    call = await dial(pbx, "801", "101")
    assert (await operator.ask("transfer", number="103"))["code"] == 202
    await (await pbx.phone("801")).event("call", state="ended", call=call["call"])
    await until_spooled(pbx, alarm("101", "101"))
