"""Calls of bots on a real Asterisk, through the dialplan that the planner renders."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.outgoing_call import OutgoingCall, place
from dialplane.plan.dialplan.contexts import INTERNAL, VOICE_BOTS
from dialplane.services.voicebot.tables.calls import BotCall, CallFilter, CallOutcome, page
from dialplane.services.voicebot.tables.turns import Turn, of_call
from dialplane.store import Store
from testbed.bot_replica import HZ
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK
from tests.eventually import eventually
from tests.system.pbx import Pbx
from tests.voicebot.bot.bot_site import (
    BOT_NUMBER,
    CALLER,
    FALLBACK,
    PHONE_HZ,
    SALES,
    TONES,
    BotSite,
    bot,
    kill,
    seen,
    state,
)
from tests.voicebot.bot.program import TOKEN, program

ELSEWHERE, SPEAKER = "891", "892"
DISGUISED = "0x7f000001"
"""A name of this machine that no manifest shows to be one: it is looked up."""
DIALOG = {
    "start": "menu",
    "states": [
        {
            "name": "menu",
            "say": {"text": "Would you like sales?"},
            "collect": {"grammar": "choices", "choices": [{"value": "sales", "phrases": ["sales"], "dtmf": "1"}]},
            "transitions": [{"intent": "sales", "to": "sales"}],
        },
        {
            "name": "sales",
            "say": {"text": "One moment please."},
            "action": {"transfer": {"to": {"extension": SALES}}},
        },
    ],
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: TempPathFactory) -> AsyncIterator[BotSite]:
    directory: Path = tmp_path_factory.mktemp("bots")
    async with Pbx(directory) as pbx, program() as made_program:
        made = BotSite(pbx, directory, program=made_program)
        external = {"url": made_program.url, "secretRef": {"name": "program", "key": "token"}}
        await made.apply(
            [
                bot(TONES, number=BOT_NUMBER),
                bot("elsewhere", number=ELSEWHERE, engine={"external": external | {"allowPrivateAddress": True}}),
                bot("speaker", number=SPEAKER, dialog=DIALOG, greeting="Good day, this is Example Limited."),
                bot(
                    "forbidden", engine={"external": external | {"url": made_program.url.replace(LOOPBACK, DISGUISED)}}
                ),
            ]
        )
        for number in (CALLER, FALLBACK, SALES):
            await pbx.phone(number)
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def bots(site: BotSite) -> AsyncIterator[BotSite]:
    """The site, with no replica before and none after."""
    yield site
    await site.close()


async def dial(site: BotSite, number: str = BOT_NUMBER) -> int:
    """Call the bot; the call is answered, by whomever."""
    call = await (await site.pbx.phone(CALLER)).ask("call", number=number)
    assert call["code"] == 200, call
    return int(call["call"])


async def calls(site: BotSite, number: str, status: str = "answered") -> list[dict[str, Any]]:
    """The calls of a phone that are in this state."""
    found = (await (await site.pbx.phone(number)).ask("calls"))["calls"]
    return [each for each in found if each["state"] == status]


async def hears(site: BotSite, call: int, hz: int) -> None:
    """Return when the caller hears this tone."""
    last: dict[str, Any] = {}

    async def heard() -> bool:
        found = (await (await site.pbx.phone(CALLER)).ask("calls"))["calls"]
        last.update(next(each for each in found if each["call"] == call))
        return last["heard_hz"] is not None and abs(last["heard_hz"] - hz) <= 8

    await eventually(heard, why=lambda: last)


async def press(site: BotSite, call: int, key: str) -> None:
    await (await site.pbx.phone(CALLER)).ask("press", call=call, key=key)


async def in_fallback(site: BotSite, count: int, within: float = 20) -> None:
    """Return when so many callers are in the fallback."""

    async def there() -> bool:
        return len(await calls(site, FALLBACK)) == count

    await eventually(there, within=within)


async def one(replica: PeerProcess, event: str, **fields: Any) -> dict[str, Any]:
    return (await eventually(seen(replica, event, **fields), why=lambda: replica.events[-5:]))[-1]


async def hang_up(site: BotSite) -> None:
    for each in await calls(site, CALLER):
        await (await site.pbx.phone(CALLER)).ask("hangup", call=each["call"])


async def test_caller_and_bot_hear_each_other_and_a_key_sends_the_call_on(bots: BotSite) -> None:
    replica = await bots.replica("one")
    await bots.open(replica)
    call = await dial(bots)
    began = await one(replica, "began", bot="tones", caller=CALLER)
    await hears(bots, call, HZ)
    await eventually(lambda: any(abs((each["hz"] or 0) - PHONE_HZ) <= 8 for each in seen(replica, "heard")()))
    await press(bots, call, "1")
    await one(replica, "key", call=began["call"], key="1")
    await one(replica, "ended", call=began["call"], outcome="transferred")
    await eventually(lambda: calls(bots, SALES))
    await hang_up(bots)
    await bots.pbx.quiet()


@pytest.mark.parametrize(("key", "outcome"), [("2", "completed"), ("3", "fallback"), ("4", "lost")])
async def test_a_call_ends_as_the_talk_says(bots: BotSite, key: str, outcome: str) -> None:
    replica = await bots.replica(f"key-{key}")
    await bots.open(replica)
    call = await dial(bots)
    await one(replica, "began")
    await hears(bots, call, HZ)
    await press(bots, call, key)
    await one(replica, "ended", outcome=outcome)
    if key == "2":
        await eventually(lambda: _ended(bots, call))
    else:
        await in_fallback(bots, 1)
        await hang_up(bots)
    await bots.pbx.quiet()
    assert not await bots.bridges()


async def _ended(site: BotSite, call: int) -> bool:
    found = await calls(site, CALLER, "ended")
    return any(each["call"] == call and each["ended_by"] == "them" for each in found)


async def test_a_caller_who_hangs_up_leaves_nothing(bots: BotSite) -> None:
    replica = await bots.replica("hung-up")
    await bots.open(replica)
    call = await dial(bots)
    await hears(bots, call, HZ)
    await hang_up(bots)
    await one(replica, "ended", outcome="hung_up")
    await bots.pbx.quiet()
    assert not await bots.bridges()


async def test_callers_of_a_process_that_is_killed_are_in_the_fallback_within_two_seconds(bots: BotSite) -> None:
    replica = await bots.replica("killed")
    await bots.open(replica)
    await asyncio.gather(*(dial(bots) for _ in range(20)))
    await eventually(lambda: len(seen(replica, "began")()) == 20)

    async def joined() -> bool:
        return len(await bots.bridges()) == 20

    await eventually(joined)
    kill(replica)
    began = time.monotonic()
    await in_fallback(bots, 20)
    assert time.monotonic() - began < 2
    assert not [each for each in await bots.pbx.channels() if "dpbot" in each]
    await hang_up(bots)
    await bots.pbx.quiet()
    assert not await bots.bridges()


async def test_callers_who_come_all_at_once_are_all_taken(bots: BotSite) -> None:
    replica = await bots.replica("at-once")
    await bots.open(replica)
    await asyncio.gather(*(dial(bots) for _ in range(36)))
    await eventually(lambda: len(seen(replica, "began")()) == 36)
    assert not await calls(bots, FALLBACK)
    await hang_up(bots)
    await bots.pbx.quiet()


async def test_who_takes_an_application_over_gets_the_calls_and_the_first_one_ends(bots: BotSite) -> None:
    first = await bots.replica("twin")
    await bots.open(first)
    call = await dial(bots)
    await one(first, "began")
    second = await bots.replica("twin")
    await eventually(lambda: state(first, "application") == {"name": "dialplane-bot-twin", "open": False})
    await hears(bots, call, HZ)
    await dial(bots)
    await one(second, "began")
    assert len(seen(first, "began")()) == 1
    assert not seen(first, "superseded")(), "a call goes on"
    await press(bots, call, "3")
    await one(first, "superseded", reason="ARI: another program has opened dialplane-bot-twin")
    await in_fallback(bots, 1)
    await hang_up(bots)


async def test_what_a_busy_replica_does_not_take_another_one_does(bots: BotSite) -> None:
    busy, idle = await bots.replica("busy"), await bots.replica("idle")
    await bots.open(busy, idle)
    await busy.ask("busy", is_busy=True)
    for _ in range(4):
        await dial(bots)
    await eventually(lambda: len(seen(idle, "began")()) == 4)
    await idle.ask("busy", is_busy=True)
    await dial(bots)
    await in_fallback(bots, 1)
    assert not seen(busy, "began")()
    await hang_up(bots)


async def test_callers_of_a_process_that_is_frozen_are_in_the_fallback(bots: BotSite) -> None:
    replica = await bots.replica("frozen")
    await bots.open(replica)
    call = await dial(bots)
    await hears(bots, call, HZ)
    applications = seen(replica, "report", subject="application")
    before = len(applications())
    freezing = asyncio.create_task(replica.ask("freeze", seconds=4))
    await in_fallback(bots, 1, within=4)
    assert not freezing.done()
    await freezing
    await one(replica, "ended")
    await eventually(lambda: any(not each["state"]["open"] for each in applications()[before:]))  # it was cut
    await eventually(lambda: state(replica, "application")["open"] and state(replica, "bot/tones").get("ready"))
    await hang_up(bots)
    await bots.pbx.quiet()
    call = await dial(bots)
    await hears(bots, call, HZ)
    await hang_up(bots)


async def test_calls_are_taken_again_after_asterisk_was_started_again(bots: BotSite) -> None:
    replica = await bots.replica("again")
    await bots.pbx.asterisk.restart(limit_seconds=0)
    await eventually(lambda: not state(replica, "application")["open"] or len(seen(replica, "report")()) > 4)
    await eventually(
        lambda: state(replica, "application")["open"] and state(replica, "bot/tones")["ready"],
        why=lambda: bots.said("again"),
    )
    for number in (CALLER, FALLBACK, SALES):
        await (await bots.pbx.phone(number)).ask("register")
    await bots.open(replica)
    call = await dial(bots)
    await hears(bots, call, HZ)
    await hang_up(bots)


async def test_another_program_speaks_and_ends_the_call(bots: BotSite) -> None:
    replica = await bots.replica("elsewhere", "elsewhere", SECRET_program_token=TOKEN)
    await bots.open(replica)
    call = await dial(bots, ELSEWHERE)
    began = await one(replica, "began", bot="elsewhere")
    await hears(bots, call, PHONE_HZ)  # it echoes
    shown = bots.program.calls[-1]
    assert (shown["Dialplane-Bot"], shown["Dialplane-Call"], shown["Dialplane-Caller"]) == (
        "elsewhere",
        began["call"],
        CALLER,
    )
    await press(bots, call, "9")
    await one(replica, "ended", outcome="completed")
    await eventually(lambda: _ended(bots, call))
    await bots.pbx.quiet()


async def test_a_program_that_goes_without_a_word_leaves_the_caller_to_the_fallback(bots: BotSite) -> None:
    replica = await bots.replica("gone", "elsewhere", SECRET_program_token=TOKEN)
    await bots.open(replica)
    call = await dial(bots, ELSEWHERE)
    await hears(bots, call, PHONE_HZ)
    await press(bots, call, "8")
    ended = await one(replica, "ended", outcome="fallback")
    assert ended["reason"] == "the program ended the connection without a HANGUP"
    await in_fallback(bots, 1)
    await hang_up(bots)


async def test_a_newer_version_that_does_not_work_leaves_the_calls_to_the_one_that_does(bots: BotSite) -> None:
    replica = await bots.replica("newer", "elsewhere", SECRET_program_token=TOKEN)
    await bots.open(replica)
    proven = state(replica, "bot/elsewhere")["digest"]
    newer = deepcopy(bots.bots["elsewhere"])
    newer["spec"]["engine"]["external"]["url"] += "-gone"
    await replica.ask("observe", view=bots.view_of({"elsewhere": newer}))
    await eventually(lambda: state(replica, "bot/elsewhere")["reason"] == "SpeechUnavailable")
    assert state(replica, "bot/elsewhere")["digest"] != proven
    assert "HTTP 404" in state(replica, "bot/elsewhere")["message"]
    call = await dial(bots, ELSEWHERE)
    await one(replica, "began", bot="elsewhere")
    await hears(bots, call, PHONE_HZ)
    await hang_up(bots)


@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        ("elsewhere", "wrong", "the program refuses the call: HTTP 401"),
        ("forbidden", TOKEN, f"{DISGUISED} is no public address: allowPrivateAddress permits it"),
    ],
)
async def test_a_program_that_cannot_be_used_is_one_clear_error(
    bots: BotSite, name: str, token: str, message: str
) -> None:
    replica = await bots.replica(f"bad-{name}", name, ready=False, SECRET_program_token=token)
    await eventually(lambda: state(replica, f"bot/{name}").get("reason") == "SpeechUnavailable")
    assert message in state(replica, f"bot/{name}")["message"]
    assert token not in bots.said(f"bad-{name}")
    await bots.open(replica)
    if name == "elsewhere":
        await dial(bots, ELSEWHERE)
        await in_fallback(bots, 1)
        await hang_up(bots)


async def test_a_bot_speaks_as_its_manifest_says_and_its_call_is_written_down(bots: BotSite, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    replica = await bots.replica("speaker", "speaker", store=url)
    await bots.open(replica)
    call = await dial(bots, SPEAKER)
    await eventually(lambda: state(replica, "bot/speaker")["calls"] == 1)
    with closing(Store.open(url)) as store:

        def turns() -> list[Turn]:
            found = page(store, "test", CallFilter(), limit=10).calls
            return [turn for each in found for turn in of_call(store, "test", each.id)]

        await eventually(lambda: [each.speaker for each in turns()], holds=lambda found: "bot" in found)
        await press(bots, call, "1")
        await eventually(lambda: calls(bots, SALES))

        def ended() -> list[BotCall]:
            return [each for each in page(store, "test", CallFilter(), limit=10).calls if each.ended_at]

        (written,) = await eventually(ended)
        assert (written.bot, written.caller, written.outcome) == ("speaker", CALLER, CallOutcome.TRANSFERRED)
        assert written.target == "sales"
        said = " ".join(each.text for each in turns() if each.speaker == "bot")
        assert said.startswith("Good day, this is Example Limited.")
        assert said.endswith("One moment please.")
    await hang_up(bots)


async def test_whom_a_campaign_called_the_bot_knows_and_writes_down(bots: BotSite, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    await bots.open(await bots.replica("caller", "speaker", store=url))
    settings = bots.pbx.asterisk.settings
    account = AmiAddress(settings.host, settings.calls.name, SecretStr(settings.calls.secret), settings.ami_port)
    variables = {"DIALPLANE_CAMPAIGN": "spring", "DIALPLANE_DESTINATION": CALLER}
    async with Ami.connect(account, events="off", wait_for_boot=False) as ami:
        await place(ami, OutgoingCall("call-1", CALLER, INTERNAL, (VOICE_BOTS, "speaker"), 10, variables))
        with closing(Store.open(url)) as store:

            def spoken() -> list[BotCall]:
                found = page(store, "test", CallFilter(campaign="spring"), limit=10).calls
                return [each for each in found if of_call(store, "test", each.id)]

            (written,) = await eventually(spoken)
            assert (written.bot, written.caller, written.destination) == ("speaker", CALLER, CALLER)
            await hang_up(bots)
            await eventually(spoken, holds=lambda found: found[0].outcome is CallOutcome.HUNG_UP)
