"""Messages through the whole product while it is killed and cut off; `make soak` does the same with 10,000."""

from pathlib import Path

import pytest

from bench.message_site import PLACE, message_site
from bench.message_soak import Plan, Trouble, received, soak

pytestmark = pytest.mark.timeout(240)


async def test_200_received_and_40_sent_are_there_once_and_told_truly(tmp_path: Path) -> None:
    plan = Plan(
        modems=10,
        incoming=200,
        incoming_trouble=Trouble(kills=1, cuts=8, seconds=5),
        outgoing=40,
        outgoing_trouble=Trouble(kills=1, cuts=5, losses=3, seconds=4),
        within=60,
    )
    await soak(plan, tmp_path, print)


async def test_what_nobody_was_told_is_found(tmp_path: Path) -> None:
    async with message_site(tmp_path, 1) as site:
        await site.receiver.ask("behave", place=PLACE, refuse=1)
        await site.start()
        await site.until_ready()
        (finding,) = await received(site, 2, Trouble(seconds=0.1), print, within=0.5)
        assert finding.startswith("not told: ")
