"""Nothing is sent twice and nothing is lost, whatever breaks when. `make soak` does the same with thousands."""

from pathlib import Path

import pytest

from bench.sms_soak import Trouble, incoming_messages, outgoing_messages

pytestmark = [pytest.mark.timeout(150), pytest.mark.databases]


async def test_60_messages_go_out_once_while_the_line_is_cut_at_random(tmp_path: Path, store_url: str) -> None:
    await outgoing_messages(
        tmp_path,
        messages=60,
        dongles=6,
        trouble=Trouble(cuts=10, seconds=4),
        store_url=store_url,
        say=print,
        within=60,
    )


async def test_40_messages_go_out_once_while_the_service_is_killed(tmp_path: Path, store_url: str) -> None:
    await outgoing_messages(
        tmp_path,
        messages=40,
        dongles=4,
        trouble=Trouble(kills=2, cuts=3, seconds=5),
        store_url=store_url,
        say=print,
        within=60,
    )


async def test_200_messages_come_in_once_while_the_service_is_killed_and_the_line_cut(
    tmp_path: Path, store_url: str
) -> None:
    await incoming_messages(
        tmp_path,
        messages=200,
        dongles=4,
        trouble=Trouble(kills=2, cuts=5, seconds=5),
        store_url=store_url,
        say=print,
        within=60,
    )
