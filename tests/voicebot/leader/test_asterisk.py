"""What the leader does at a real Asterisk: the list of applications, and callers who stay with a bot that hangs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk import database
from dialplane.asterisk.ami import Ami
from dialplane.asterisk.ari_callers import AriCallers
from dialplane.asterisk.asterisk_side import AsteriskSide
from dialplane.asterisk.errors import AuthenticationRefused, Unreachable
from dialplane.services.voicebot.leader.applications import FAMILY, ApplicationList
from dialplane.services.voicebot.leader.caller_watch import AriAccount, CallerWatch
from dialplane.services.voicebot.reported import application_name
from testbed.asterisk import AsteriskInstance
from tests.asterisk.real_asterisk import address
from tests.eventually import eventually
from tests.voicebot.leader.stasis import application

pytestmark = pytest.mark.asyncio(loop_scope="module")

HUNG, OTHER = application_name("hung"), "somebody-elses"
DIALPLAN = f"""
[try]
exten => bot,1,Stasis({HUNG})
 same => n,Set(GLOBAL(FELL_BACK)=${{GLOBAL(FELL_BACK)}}x)
 same => n,Wait(30)
exten => other,1,Stasis({OTHER})
 same => n,Set(GLOBAL(OTHER_LEFT)=yes)
exten => caller,1,Answer()
 same => n,Wait(30)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asterisk(tmp_path_factory: TempPathFactory) -> AsyncIterator[AsteriskInstance]:
    files = {"extensions.conf": DIALPLAN}
    async with AsteriskInstance(tmp_path_factory.mktemp("asterisk"), dialplane_files=files) as instance:
        yield instance


@pytest_asyncio.fixture(loop_scope="module")
async def ami(asterisk: AsteriskInstance) -> AsyncIterator[Ami]:
    async with Ami.connect(address(asterisk)) as connected:
        yield connected


def account(asterisk: AsteriskInstance) -> AriAccount:
    ari = asterisk.settings.ari
    return AriAccount(asterisk.ari_url, ari.name, SecretStr(ari.secret))


@asynccontextmanager
async def running(work: AsteriskSide | CallerWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(work.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def listed(ami: Ami) -> str:
    return {each.key: each.value for each in await database.entries(ami, FAMILY)}.get("apps", "")


async def test_the_list_has_the_open_applications_and_is_put_right_after_asterisk_was_away(
    asterisk: AsteriskInstance,
) -> None:
    names: set[str] | None = None
    kept = ApplicationList(lambda: names, lambda: True)
    side = AsteriskSide(kept.serve, purpose="test", events="system")
    side.want(address(asterisk))
    async with running(side), Ami.connect(address(asterisk)) as ami:
        await database.put(ami, FAMILY, "apps", "of-before")
        await asyncio.sleep(0.1)
        assert await listed(ami) == "of-before"  # nobody knows yet which there are
        names = {"dialplane-bot-b", "dialplane-bot-a"}
        kept.wake()
        await eventually(lambda: listed(ami), holds=lambda seen: seen == "dialplane-bot-a&dialplane-bot-b")
    await asterisk.stop()
    (asterisk.settings.directories.db / "astdb.sqlite3").unlink()
    await asterisk.start()
    async with running(side), Ami.connect(address(asterisk)) as ami:
        await eventually(lambda: listed(ami), holds=lambda seen: seen == "dialplane-bot-a&dialplane-bot-b")
        names = set()
        kept.wake()
        await eventually(lambda: listed(ami), holds=lambda seen: seen == "")


async def test_a_leader_that_is_deposed_writes_no_list(asterisk: AsteriskInstance, ami: Ami) -> None:
    kept = ApplicationList(lambda: {"dialplane-bot-late"}, lambda: False)
    side = AsteriskSide(kept.serve, purpose="test", events="system")
    side.want(address(asterisk))
    async with running(side):
        await asyncio.sleep(0.3)
    assert await listed(ami) == ""


async def call(asterisk: AsteriskInstance, extension: str) -> None:
    to = {"Channel": "Local/caller@try/n", "Context": "try", "Exten": extension, "Priority": "1", "Async": "true"}
    calls = asterisk.settings.calls
    at = replace(address(asterisk), username=calls.name, secret=SecretStr(calls.secret))
    async with Ami.connect(at, events="off", wait_for_boot=False) as placing:
        await placing.action("Originate", **to)


async def variable(ami: Ami, name: str) -> str:
    return (await ami.action("Getvar", variable=name)).get("value", "")


async def channels(asterisk: AsteriskInstance, name: str) -> frozenset[str]:
    at = account(asterisk)
    async with AriCallers(at.url, at.username, at.password) as ari:
        found: Mapping[str, frozenset[str]] = await ari.applications()
    return found.get(name, frozenset())


async def test_callers_of_a_bot_that_hangs_go_on_in_the_dialplan_and_no_other_channel_does(
    asterisk: AsteriskInstance, ami: Ami
) -> None:
    async with application(asterisk, HUNG) as ari, application(asterisk, OTHER):
        media = {
            "app": HUNG, "external_host": "INCOMING", "connection_type": "server", "transport": "websocket",
            "encapsulation": "none", "format": "slin16", "channelId": "media-of-the-bot",
        }  # fmt: skip
        async with ari.post(f"{asterisk.ari_url}/ari/channels/externalMedia", params=media) as made:
            assert made.ok, await made.text()
        await call(asterisk, "other")
        await call(asterisk, "bot")
        await call(asterisk, "bot")
        await eventually(lambda: channels(asterisk, HUNG), holds=lambda seen: len(seen) == 3)
        watch = CallerWatch(lambda: True, patience=0.3)
        watch.want(account(asterisk))
        async with running(watch):
            await eventually(lambda: variable(ami, "FELL_BACK"), holds=lambda seen: seen == "xx")
            await eventually(lambda: channels(asterisk, HUNG), holds=lambda seen: seen == {"media-of-the-bot"})
        assert len(await channels(asterisk, OTHER)) == 1
        assert await variable(ami, "OTHER_LEFT") == ""


async def test_callers_whose_bot_died_are_sent_on(asterisk: AsteriskInstance, ami: Ami) -> None:
    before = await variable(ami, "FELL_BACK")
    async with application(asterisk, HUNG):
        await call(asterisk, "bot")
        await eventually(lambda: channels(asterisk, HUNG), holds=bool)
    assert await variable(ami, "FELL_BACK") == before
    watch = CallerWatch(lambda: True, patience=0.1)
    watch.want(account(asterisk))
    async with running(watch):
        await eventually(lambda: variable(ami, "FELL_BACK"), holds=lambda seen: seen == f"{before}x")


async def test_what_ari_does_not_answer_is_an_error_of_ours_without_the_account(asterisk: AsteriskInstance) -> None:
    at = account(asterisk)
    async with AriCallers(at.url, at.username, SecretStr("wrong&%+")) as ari:
        with pytest.raises(AuthenticationRefused) as refused:
            await ari.applications()
    async with AriCallers("http://127.0.0.1:1", at.username, at.password) as ari:
        with pytest.raises(Unreachable) as away:
            await ari.applications()
    async with AriCallers(at.url, at.username, at.password) as ari:
        assert await ari.channel_name("of/nobody?") is None
        assert not await ari.go_on("of/nobody?")
    for error in (refused, away):
        assert not [value for value in ("wrong", at.password.get_secret_value()) if value in str(error.value)]
