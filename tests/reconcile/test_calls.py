"""Reloads in the middle of live calls: none of them notices."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dialplane.plan.dialplan.internal import EXTENSION
from dialplane.reconcile.template_dir import shipped
from testbed.local_peer import LocalPeer
from testbed.manifests import Manifest
from tests.reconcile.site_rig import Rig, extension, extensions

CALLS = 8


async def eight(rig: Rig) -> tuple[LocalPeer, LocalPeer, list[int]]:
    """Phone 101 calls phone 102 eight times at once; all are answered and carry voice."""
    caller, callee = await rig.phone("101", calls=CALLS), await rig.phone("102", calls=CALLS)
    for phone in (caller, callee):
        assert (await phone.ask("register"))["code"] == 200
    await callee.ask("answer", code=200, ring_seconds=0.1)
    made = await asyncio.gather(*(caller.ask("call", number="102") for _ in range(CALLS)))
    assert {call["code"] for call in made} == {200}
    return caller, callee, [int(call["call"]) for call in made]


async def counts(phone: LocalPeer) -> list[dict[str, Any]]:
    return list((await phone.ask("calls"))["calls"])


async def undisturbed(caller: LocalPeer, callee: LocalPeer, calls: list[int]) -> None:
    """Voice still flows both ways in all of them, and both sides end them by themselves."""
    before = [await counts(caller), await counts(callee)]
    await asyncio.sleep(1)
    after = [await counts(caller), await counts(callee)]
    for old, new in zip(before, after, strict=True):
        assert [call["state"] for call in new] == ["answered"] * CALLS
        assert all(b["rtp_received"] - a["rtp_received"] >= 20 for a, b in zip(old, new, strict=True))
    half = CALLS // 2
    theirs = [int(call["call"]) for call in after[1]][half:]
    for call in theirs:
        assert (await callee.ask("hangup", call=call))["bye"] == 200
    async with asyncio.timeout(10):
        while sum(call["state"] == "ended" for call in await counts(caller)) < half:
            await asyncio.sleep(0.1)
    for call in [one["call"] for one in await counts(caller) if one["state"] == "answered"]:
        assert (await caller.ask("hangup", call=call))["bye"] == 200
    ended = [call["ended_by"] for call in await counts(caller)]
    assert sorted(ended) == ["them"] * half + ["us"] * half
    assert len(calls) == CALLS


def edits(rig: Rig) -> list[Manifest]:
    rig.source.secret("new-102", username="102", password="another")
    return [
        extension("102", credentialsSecretRef={"name": "new-102"}, displayName="Called"),
        extension("101", displayName="Calling", ringSeconds=60),
        *extensions(range(300, 320)),
    ]


async def test_a_site_that_changes_around_live_calls_disturbs_none(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([*range(101, 106)]))
        rig.run()
        await rig.settled()
        caller, callee, calls = await eight(rig)
        await rig.listen()
        rig.put(*edits(rig))
        rig.source.drop(*[key for key in rig.source.manifests if key.name in {"e104", "e105"}])
        await rig.settled()
        assert {"res_pjsip.so", "pbx_config.so"} <= set(rig.reloads)
        assert await rig.bound() == {"101"}  # the called number has another key: its phone must come back
        await undisturbed(caller, callee, calls)


@pytest.mark.parametrize("in_it", [True, False])
async def test_a_new_text_of_a_routine_leaves_the_old_one_to_the_calls_in_it(tmp_path: Path, *, in_it: bool) -> None:
    """An upgrade of the controller: the routine gets another text, so another name; the old one stays for the calls."""
    new = "dp-extension_00000000"
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([*range(101, 106)]))
        rig.run()
        await rig.settled()
        calls = await eight(rig) if in_it else None
        old = EXTENSION.context
        object.__setattr__(EXTENSION, "context", new)
        try:
            await rig.listen()
            await rig.rerun()
            await rig.until(lambda: rig.says("e101", "Verified"))
            await asyncio.sleep(1)  # passes go on while a routine is retained
            text = (rig.config / "extensions.conf").read_text()
            assert f"[{new}]" in text
            if in_it:
                assert f"[{old}]" in text
            if calls is not None:
                caller, callee, numbers = calls
                await undisturbed(caller, callee, numbers)
                async with asyncio.timeout(10):  # once the last call is over it goes
                    while f"[{old}]" in (rig.config / "extensions.conf").read_text():
                        await asyncio.sleep(0.2)
            phone = await rig.phone("103")
            assert (await phone.ask("register"))["code"] == 200
            other = await rig.phone("104")
            assert (await other.ask("register"))["code"] == 200
            assert (await other.ask("call", number="103"))["code"] == 200
            assert (await other.ask("hangup"))["bye"] == 200
        finally:
            object.__setattr__(EXTENSION, "context", old)
        await rig.settled()


BROKEN = (
    (shipped() / "extensions.conf.j2")
    .read_text()
    .replace(
        "[{{ context.name | section }}]",
        "{% if context.name == 'dp-internal' %}[{{ context.name }}\n{% else %}[{{ context.name | section }}]{% endif %}\n",
    )
)


async def test_a_dialplan_that_is_broken_as_a_whole_never_replaces_the_good_one(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.settled()
        good = (rig.config / "extensions.conf").read_text()
        await rig.rerun({"extensions.conf.j2": BROKEN})
        await rig.until(lambda: rig.says("pbx", "RejectedByAsterisk", "Asterisk"))
        assert (rig.config / "extensions.conf").read_text() == good
        assert "as a whole" in str(rig.ready("pbx", "Asterisk"))
        assert rig.says("e101", "Verified")  # Asterisk was asked, and has its line
        rig.put(*extensions([103, 104]))  # pjsip takes them, the dialplan waits
        await rig.until(lambda: rig.says("e103", "RejectedByAsterisk"))
        assert rig.says("e101", "Verified")
        assert (rig.config / "extensions.conf").read_text() == good
        await rig.restart()
        assert "101" in await rig.asterisk.console("dialplan show 101@dp-internal")
        await rig.settled()
        await rig.listen()
        await rig.rerun({"extensions.conf.j2": BROKEN})  # a restart changes nothing, and tries nothing again
        await rig.settled()
        await asyncio.sleep(1)
        assert rig.reloads == []
        assert {
            status for _, status, _ in rig.sink.every(next(k for k in rig.source.manifests if k.name == "pbx"))
        } == {"False"}
        await rig.rerun({})
        await rig.settled()
        assert all(rig.says(f"e{n}", "Verified") for n in range(101, 105))
        assert rig.says("pbx", "Verified", "Asterisk")


async def test_a_site_whose_first_dialplan_is_broken_leaves_an_asterisk_that_can_still_load_one(tmp_path: Path) -> None:
    async with Rig(tmp_path, {"extensions.conf.j2": BROKEN}) as rig:
        rig.put(rig.pbx(), *extensions([101, 102]))
        rig.run()
        await rig.until(lambda: rig.says("pbx", "RejectedByAsterisk", "Asterisk"))
        await rig.restart()
        await rig.rerun({})
        await rig.until(lambda: rig.says("e101", "Verified") and rig.says("pbx", "Verified", "Asterisk"))
