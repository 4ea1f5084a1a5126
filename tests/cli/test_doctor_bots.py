"""What `dialplane doctor` says of bots, beside a real Asterisk."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.cli import voice_bot_checks
from dialplane.resources.snapshot import Snapshot
from dialplane.services.voicebot.reported import application_name
from testbed.asterisk import AsteriskInstance
from tests.asterisk.real_asterisk import address
from tests.voicebot.leader.bots import bot, view
from tests.voicebot.leader.stasis import application

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE = view(bot()).snapshot


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    async with AsteriskInstance(tmp_path_factory.mktemp("asterisk")) as instance:
        yield instance


async def found(asterisk: AsteriskInstance, site: Snapshot = SITE) -> dict[str, str]:
    """The level of each check of bots."""
    ari = asterisk.settings.ari
    values = {"username": SecretStr(ari.name), "password": SecretStr(ari.secret)}
    async with Ami.connect(address(asterisk)) as ami:
        checks = [each async for each in voice_bot_checks.over_ami(ami, site)]
    checks += voice_bot_checks.over_http(asterisk.ari_url, values, 5.0)
    assert all(each.cure for each in checks if each.level != "ok")
    return {each.check: str(each.level) for each in checks}


async def test_a_bot_that_takes_calls_is_seen_in_asterisk(asterisk: AsteriskInstance) -> None:
    assert await found(asterisk) == {
        "bot modules": "ok",
        "bot list": "warning",
        "bot media": "ok",
        "bot applications": "failed",
    }
    name = application_name("b1")
    async with Ami.connect(address(asterisk)) as ami, application(asterisk, name):
        await database.put(ami, "dpbot", "apps", name)
        assert set((await found(asterisk)).values()) == {"ok"}


async def test_a_module_that_is_missing_is_named_and_the_media_with_it(asterisk: AsteriskInstance) -> None:
    await asterisk.console("module unload chan_websocket.so")
    try:
        checks = await found(asterisk)
    finally:
        await asterisk.console("module load chan_websocket.so")
    assert (checks["bot modules"], checks["bot media"]) == ("failed", "failed")


async def test_a_site_without_bots_is_not_asked(asterisk: AsteriskInstance) -> None:
    async with Ami.connect(address(asterisk)) as ami:
        assert [each async for each in voice_bot_checks.over_ami(ami, view(bot(enabled=False)).snapshot)] == []


@pytest.mark.parametrize(
    ("policy", "level"), [(os.SCHED_OTHER, "warning"), (os.SCHED_RR | os.SCHED_RESET_ON_FORK, "ok")]
)
async def test_an_asterisk_of_this_machine_should_run_in_real_time(
    policy: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid, command in ((os.getpid(), b"/usr/sbin/asterisk\0-f\0"), (1, b"vi\0asterisk\0"), (2, b"")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(command)
    monkeypatch.setattr(os, "sched_getscheduler", {os.getpid(): policy}.__getitem__)
    assert [str(each.level) for each in voice_bot_checks.scheduling(tmp_path)] == [level]
    assert list(voice_bot_checks.scheduling(tmp_path / "empty")) == []
