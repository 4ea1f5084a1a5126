"""A small change of a large site: live by Asterisk's database, read from the files in a quiet moment.

Here three phones are a large site.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest_asyncio

from dialplane.resources.key import Key
from testbed.bootstrap import Settings, render
from tests.reconcile.site_rig import FAST, Rig, extension, extensions

LARGE = replace(FAST, overlay_from=3, settle_after=60, settle_latest=600)
QUIET_SOON = replace(LARGE, settle_after=0.5)
PJSIP = "res_pjsip.so"


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path, timing=LARGE) as rig:
        rig.put(rig.pbx(), *extensions((101, 102, 103)))
        rig.run()
        await rig.settled()
        await rig.listen()
        yield rig


def files_first(settings: Settings) -> Mapping[str, str]:
    """Base files as they were before there was an overlay."""
    files = render(settings)
    lines = files["sorcery.conf"].splitlines(keepends=True)
    return {**files, "sorcery.conf": "".join(line for line in lines if "= astdb" not in line)}


async def overlaid(rig: Rig) -> set[str]:
    """The names in Asterisk's database, by its own console."""
    lines = (await rig.asterisk.console("database show dpo")).splitlines()
    return {line.split(":")[0].strip().removeprefix("/dpo/") for line in lines if line.startswith("/dpo/")}


async def caller_id(rig: Rig, number: str) -> str:
    """What Asterisk runs, by its own console."""
    lines = (await rig.asterisk.console(f"pjsip show endpoint {number}")).splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.strip().startswith("callerid "))


async def change(rig: Rig, name: str) -> None:
    rig.put(extension("101", displayName=name))
    await rig.settled()
    assert rig.says("e101", "Verified")
    quoted = re.sub(r'(["\\])', r"\\\1", name)
    assert await caller_id(rig, "101") == f'"{quoted}" <101>'


async def test_a_change_is_verified_without_a_reload_and_no_phone_notices(rig: Rig) -> None:
    phone = await rig.phone("101")
    assert (await phone.ask("register"))["code"] == 200
    await change(rig, 'O\'Brien, "Ada"; \\ ${EXTEN} => é\U0001f600')
    assert await overlaid(rig) == {"endpoint/101"}
    assert rig.reloads == []
    assert await rig.bound() == {"101"}
    assert "=> é\U0001f600" in (rig.config / "pjsip_endpoint.conf").read_text()


async def test_a_new_password_needs_no_reload_and_unbinds_the_old_phone(rig: Rig) -> None:
    phone = await rig.phone("101")
    assert (await phone.ask("register"))["code"] == 200
    rig.source.secret("phone-101", username="101", password="another")
    await rig.settled()
    await rig.until(lambda: rig.says("e101", "Verified"))
    assert await overlaid(rig) == {"auth/101", "endpoint/101"}
    assert await rig.bound() == set()
    assert not await rig.registers("101", "secret-101")
    assert await rig.registers("101", "another")
    assert rig.reloads == []


async def test_in_a_quiet_moment_asterisk_reads_the_files_and_the_overlay_goes(tmp_path: Path) -> None:
    async with Rig(tmp_path, timing=QUIET_SOON) as rig:
        rig.put(rig.pbx(), *extensions((101, 102, 103)))
        rig.run()
        await rig.settled()
        await rig.listen()
        rig.put(extension("101", displayName="Ada"))
        await rig.until(lambda: rig.reloads == [PJSIP])
        await rig.settled()
        assert await overlaid(rig) == set()
        assert await caller_id(rig, "101") == '"Ada" <101>'
        assert {reason for _, _, reason in rig.sink.every(Key("Extension", "e101"))} == {"Verified"}
        assert rig.reloads == [PJSIP]


async def test_what_is_new_or_deleted_is_read_from_the_files_at_once(rig: Rig) -> None:
    await change(rig, "Ada")
    rig.put(extension("104"))
    await rig.settled()
    assert rig.reloads.count(PJSIP) == 1
    assert await overlaid(rig) == set()
    assert await caller_id(rig, "101") == '"Ada" <101>'
    await change(rig, "Bob")
    rig.source.drop(Key("Extension", "e104"))
    await rig.settled()
    assert rig.reloads.count(PJSIP) == 2
    assert await overlaid(rig) == set()
    assert await caller_id(rig, "101") == '"Bob" <101>'


async def test_a_change_of_the_dialplan_alone_leaves_the_overlay(rig: Rig) -> None:
    await change(rig, "Ada")
    rig.put(extension("102", ringSeconds=7))
    await rig.settled()
    assert PJSIP not in rig.reloads
    assert "pbx_config.so" in rig.reloads
    assert "endpoint/101" in await overlaid(rig)


async def test_a_new_controller_settles_what_the_last_one_put_off(rig: Rig) -> None:
    await change(rig, "Ada")
    await rig.end()
    stale = {"context": "dp-cos-internal", "auth": "102", "aors": "102", "callerid": '"Stale" <102>'}
    await rig.asterisk.console(f"database put dpo/endpoint 102 {json.dumps(json.dumps(stale))}")
    assert await caller_id(rig, "102") == '"Stale" <102>'
    await rig.rerun()
    await rig.settled()
    assert rig.reloads == [PJSIP]
    assert await overlaid(rig) == set()
    assert await caller_id(rig, "101") == '"Ada" <101>'
    assert await caller_id(rig, "102") == '"102" <102>'


async def test_a_restarted_asterisk_has_read_the_files_by_itself(rig: Rig) -> None:
    await change(rig, "Ada")
    await asyncio.sleep(2)  # Asterisk tells its age in whole seconds: what was written just before may be unread
    await rig.restart()
    await rig.until(lambda: rig.says("e101", "Verified"))
    await rig.settled()
    assert rig.reloads == []
    assert await overlaid(rig) == set()
    assert await caller_id(rig, "101") == '"Ada" <101>'


async def test_an_asterisk_that_asks_its_files_first_is_reloaded(tmp_path: Path) -> None:
    async with Rig(tmp_path, timing=LARGE, bootstrap=files_first) as rig:
        rig.put(rig.pbx(), *extensions((101, 102, 103)))
        rig.run()
        await rig.settled()
        await rig.listen()
        for name in ("Ada", "Bob"):
            await change(rig, name)
            assert await overlaid(rig) == set()
        assert rig.reloads == [PJSIP, PJSIP]
