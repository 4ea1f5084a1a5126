"""The dialplan as Asterisk holds it, and reloads under live calls. On a real Asterisk, with real SIP peers."""

import asyncio
import re

import pytest

from dialplane.plan.dialplan import retained
from tests.system.calls import dial, hang_up, site
from tests.system.pbx import Pbx, extension

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN_AWAY = "Function DB not registered"
"""A test of cabins on the same Asterisk takes its module away during a call."""


def complaints(pbx: Pbx) -> list[str]:
    return [line for line in pbx.asterisk.complaints() if TAKEN_AWAY not in line]


async def test_asterisk_has_no_complaint_about_the_dialplan(pbx: Pbx) -> None:
    assert [line for line in complaints(pbx) if "pbx" in line or "extensions" in line] == []
    for context in pbx.plan.objects.contexts:
        assert f"'{context.name}'" in await pbx.show(context.name) or not (context.entries or context.includes)


async def test_a_lamp_is_lit_by_the_pattern_hint(pbx: Pbx) -> None:
    await pbx.phone("101")
    shown = await pbx.asterisk.console("core show hints")
    assert "_1XX@dp-hints" in shown
    assert "PJSIP/${EXTEN}" in shown


async def test_reloads_that_change_everything_leave_live_calls_alone(pbx: Pbx) -> None:
    phone, caller = await pbx.phone("101"), await pbx.phone("103")
    slow = await pbx.phone("102", ring_seconds=3)
    await pbx.phone("109")  # before two callers ask for it at once, and get one each
    calls = [await dial(pbx, "103", "101") for _ in range(20)]
    ringing = [asyncio.create_task(dial(pbx, "109", "102")) for _ in range(2)]
    await slow.event("call", state="ringing", after=len(slow.events))
    original = site(pbx)
    added = [extension(f"2{n:02}") for n in range(50)]
    rest = [m for m in original if m["metadata"]["name"] not in {"e101", "e102", "e105"}]
    moved = extension("101", ("internal",), ringSeconds=60, forward={"unconditional": "108"})
    slower = extension("102", ringSeconds=7)
    for changed in ([*original, *added], [*rest, moved, slower, *added[:25]], [*rest, slower], [*rest, moved]):
        await pbx.apply(changed)
    answered = [await each for each in ringing]
    await pbx.apply(original)
    assert [call["code"] for call in answered] == [200, 200]
    states = [c["state"] for c in (await caller.ask("calls"))["calls"][-20:]]
    assert states == ["answered"] * 20
    for call in calls:
        await caller.ask("hangup", call=call["call"])
    for call in answered:
        await hang_up(pbx, "109", call)
    assert (await phone.ask("calls"))["calls"][-1]["state"] == "ended"


async def test_an_old_routine_is_kept_until_its_call_is_over(pbx: Pbx) -> None:
    phone = await pbx.phone("102", ring_seconds=3, code=486)
    files = dict(pbx.plan.files)
    new = files["extensions.conf"]
    # What an older version rendered: the same routine by another name.
    (current,) = re.findall(r"^\[(dp-extension_[0-9a-f]{8})\]", new, re.MULTILINE)
    older = new.replace(current, "dp-extension_00000000")
    await asyncio.to_thread((pbx.asterisk.etc / "dialplane/extensions.conf").write_text, older)
    await pbx.asterisk.console("module reload pbx_config.so")
    calling = asyncio.create_task(dial(pbx, "101", "102"))
    await phone.event("call", state="ringing", after=len(phone.events))
    live = {line.split(",")[0] for line in await pbx.channels()}
    assert "dp-extension_00000000" in live
    kept = retained(older, live, {c.name for c in pbx.plan.objects.contexts})
    assert re.findall(r"^\[(.*)\]", kept, re.MULTILINE) == ["dp-extension_00000000"]
    await asyncio.to_thread((pbx.asterisk.etc / "dialplane/extensions.conf").write_text, new + kept)
    await pbx.asterisk.console("module reload pbx_config.so")
    call = await calling
    assert any(re.fullmatch("dp-extension_00000000,s,[0-9]+,VoiceMail", line) for line in await pbx.channels())
    await hang_up(pbx, "101", call)
    await asyncio.to_thread((pbx.asterisk.etc / "dialplane/extensions.conf").write_text, new)
    await pbx.asterisk.console("module reload pbx_config.so")


async def test_asterisk_warned_of_nothing_that_the_dialplan_says(pbx: Pbx) -> None:
    sources = ("pbx", "func_", "ast_expr", "app_stack", "app_mixmonitor", "res_parking")
    assert [line for line in complaints(pbx) if any(f" {source}" in line for source in sources)] == []
