"""Nothing keeps an emergency call from being made. On a real Asterisk, with real SIP peers."""

import asyncio
import time
from typing import Any

import pytest

from dialplane.plan.dialplan.emergency import PATIENCE_SECONDS
from tests.system.calls import dial, hang_up, last_call
from tests.system.pbx import Pbx, from_user

QUALIFY_TIMEOUT = 3  # seconds; Asterisk's default

SLACK_SECONDS = 2.0

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(("who", "shown"), [("101", "+49305550199"), ("104", "+4930112")])
async def test_any_phone_reaches_an_emergency_number(pbx: Pbx, who: str, shown: str) -> None:
    call = await dial(pbx, who, "112")
    seen = await last_call(pbx, "alpha")
    assert (seen["number"], from_user(seen)) == ("112", shown)
    await hang_up(pbx, who, call)


@pytest.mark.parametrize("code", [486, 503, 404])
async def test_an_emergency_call_goes_on_until_a_trunk_takes_it(pbx: Pbx, code: int) -> None:
    await pbx.carriers["alpha"].ask("answer", code=code)
    call = await dial(pbx, "104", "112")
    assert (await last_call(pbx, "beta"))["number"] == "112"
    await hang_up(pbx, "104", call)


async def test_an_emergency_call_behind_a_prefix_goes_out_as_the_number(pbx: Pbx) -> None:
    call = await dial(pbx, "104", "9112")
    assert (await last_call(pbx, "alpha"))["number"] == "112"
    await hang_up(pbx, "104", call)


@pytest.mark.parametrize("silence", [{"provisional": 100}, {"provisional": 0}, {"unheard": "INVITE"}], ids=str)
async def test_an_emergency_call_leaves_a_trunk_that_does_not_ring_within_four_seconds(
    pbx: Pbx, silence: dict[str, Any]
) -> None:
    """It answers OPTIONS; to the INVITE it says 100 and no more, asks for the password and no more, or nothing."""
    await pbx.carriers["alpha"].ask("answer", **({"ring_seconds": 10} | silence))
    started = time.monotonic()
    call = await dial(pbx, "104", "112")
    assert time.monotonic() - started < PATIENCE_SECONDS + SLACK_SECONDS
    assert (await last_call(pbx, "beta"))["number"] == "112"
    await hang_up(pbx, "104", call)


async def test_an_emergency_call_never_leaves_a_trunk_that_rings(pbx: Pbx) -> None:
    alpha = pbx.carriers["alpha"]
    before = len((await pbx.carriers["beta"].ask("calls"))["calls"])
    callers = {"101": 180, "104": 183}
    calls = []
    for who, provisional in callers.items():
        seen = len(alpha.events)
        await alpha.ask("answer", provisional=provisional, ring_seconds=PATIENCE_SECONDS + 0.5)
        calls.append(asyncio.create_task(dial(pbx, who, "112")))
        await alpha.event("call", after=seen, state="ringing")
    for who, call in zip(callers, calls, strict=True):
        await hang_up(pbx, who, await call)
    assert len((await pbx.carriers["beta"].ask("calls"))["calls"]) == before


async def test_an_emergency_call_ignores_the_limit_of_the_trunk(pbx: Pbx) -> None:
    calls = [await dial(pbx, "101", f"03012345{n}") for n in range(2)]
    emergency = await dial(pbx, "104", "112")
    assert (await last_call(pbx, "alpha"))["number"] == "112"
    await hang_up(pbx, "104", emergency)
    for call in calls:
        await hang_up(pbx, "101", call)


async def test_an_emergency_call_is_tried_over_a_trunk_that_seems_to_be_down(pbx: Pbx) -> None:
    for carrier in pbx.carriers.values():
        await carrier.ask("answer", unheard="OPTIONS")
    try:
        await pbx.qualify("Unavail")
        await dial(pbx, "101", "0301234567", code=503)
        call = await dial(pbx, "104", "112")
        seen = await last_call(pbx, "alpha")
        assert (seen["number"], from_user(seen)) == ("112", "+4930112")
        await hang_up(pbx, "104", call)
    finally:  # or the tests after this one would fail too
        for carrier in pbx.carriers.values():
            await carrier.ask("answer")
        await asyncio.sleep(QUALIFY_TIMEOUT)  # what Asterisk asked by itself while nobody heard is over too
        await pbx.qualify("Avail")
