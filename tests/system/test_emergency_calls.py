"""Nothing keeps an emergency call from being made. On a real Asterisk, with real SIP peers."""

import asyncio
import time

import pytest

from dialplane.plan.dialplan.trunks import EMERGENCY_PATIENCE_SECONDS
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


async def test_an_emergency_call_leaves_a_silent_trunk_within_four_seconds(pbx: Pbx) -> None:
    """The first trunk answers OPTIONS and no INVITE; the second, whose own patience is longer, would wait for six."""
    await pbx.carriers["alpha"].ask("answer", unheard="INVITE")
    started = time.monotonic()
    call = await dial(pbx, "104", "112")
    assert time.monotonic() - started < EMERGENCY_PATIENCE_SECONDS + SLACK_SECONDS
    assert (await last_call(pbx, "beta"))["number"] == "112"
    await hang_up(pbx, "104", call)


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
