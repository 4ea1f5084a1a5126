"""The connection against a real Asterisk."""

import asyncio
import time

import pytest
from pydantic import SecretStr

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.connection import AsteriskLink, Down, Up
from dialplane.asterisk.decoder import LONGEST_LINE
from dialplane.asterisk.errors import AuthenticationRefused, NotBooted, PermissionMissing
from testbed.asterisk import AsteriskInstance
from tests.asterisk.real_asterisk import Pbx, address

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_longest_line_arrives_whole(pbx: Pbx) -> None:
    value = "x" * (LONGEST_LINE - len("Val: "))
    await pbx.ami.action("DBPut", Family="probe", Key="long", Val=value)
    (event,) = await pbx.ami.list("DBGet", Family="probe", Key="long")
    assert event["Val"] == value


async def test_any_text_survives_the_way_there_and_back(pbx: Pbx) -> None:
    value = "é€😀 \\ ; : ' \" \udcff end"
    await pbx.ami.action("DBPut", Family="probe", Key="text", Val=value)
    (event,) = await pbx.ami.list("DBGet", Family="probe", Key="text")
    assert event["Val"] == value


async def test_ten_thousand_actions_pipelined(pbx: Pbx) -> None:
    began = time.monotonic()
    answers = await asyncio.gather(*(pbx.ami.action("Getvar", Variable=f"V{i}") for i in range(10_000)))
    assert [a["Variable"] for a in answers] == [f"V{i}" for i in range(10_000)]
    assert time.monotonic() - began < 10


async def test_a_wrong_secret(asterisk: AsteriskInstance) -> None:
    right = address(asterisk)
    wrong = AmiAddress(right.host, right.username, SecretStr("wrong"), right.port)
    with pytest.raises(AuthenticationRefused):
        async with Ami.connect(wrong):
            pass


async def test_a_user_that_hears_no_system_events_never_sees_it_booted(asterisk: AsteriskInstance) -> None:
    calls = asterisk.settings.calls
    user = AmiAddress(asterisk.settings.host, calls.name, SecretStr(calls.secret), asterisk.settings.ami_port)
    with pytest.raises(NotBooted):
        async with Ami.connect(user, timeout=2, events="call"):
            pass
    async with Ami.connect(user, events="call", wait_for_boot=False) as ami:
        with pytest.raises(PermissionMissing):
            await ami.action("Reload", Module="res_pjsip.so")


async def test_a_link_outlives_a_restart(asterisk: AsteriskInstance) -> None:
    async with AsteriskLink(address(asterisk), first_wait=0.05, longest_wait=0.2) as link:
        before = await link.up()
        await asterisk.restart()
        states = link.changes()
        async with asyncio.timeout(20):
            async for state in states:
                if isinstance(state, Up) and state.ami is not before:
                    break
        assert isinstance(await before.closed(), Exception)
        assert (await link.ami.action("CoreStatus")).succeeded
    assert isinstance(link.state, Down)
