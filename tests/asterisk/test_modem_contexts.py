"""What a modem's context does with what comes from the network: it is spooled whole, read as nothing else."""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from dialplane.asterisk.ami import Ami, AmiAddress
from dialplane.asterisk.message import Event
from dialplane.asterisk.readback import read_back
from dialplane.asterisk.reload import reload
from dialplane.plan.objects import Objects
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from tests.asterisk.real_asterisk import Pbx
from tests.eventually import eventually
from tests.plan.office import manifest, snapshot

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("modem-contexts")]

IMEI = "354000000000119"
PLAN = Planner(load()).plan(
    snapshot(
        [
            manifest("Asterisk", "pbx", {}),
            manifest("Dongle", "gsm-1", {"imei": IMEI}),
            manifest("Dongle", "gsm-2", {"driver": "chan_quectel", "audioPort": "/dev/ttyUSB1", "dataPort": "/dev/ttyUSB2"}),
        ]
    )
)  # fmt: skip
FORGERY = "\r\n\r\nEvent: Forged\r\nPrivilege: call,all\r\nX: 1\r\n\r\n"
HALVES = 2
"""Of a call between a local channel and what it runs."""
WATCHER = "\n[watcher]\nsecret = of-the-watcher\nread = all\nwrite = none\n"


@dataclass(frozen=True)
class Modem:
    """The driver's part: it starts extensions of the context with channel variables, as `start_local_channel` does."""

    pbx: Pbx
    watcher: Ami

    async def starts(self, extension: str, number: str, modem: str = "gsm-1", **variables: str) -> None:
        asterisk = self.pbx.asterisk
        account = aiohttp.encode_basic_auth(asterisk.settings.ari.name, asterisk.settings.ari.secret)
        body = {
            "endpoint": f"Local/{extension}@dp-dongle-{modem}",
            "context": "dp-end",
            "extension": "s",
            "callerId": f"<{number}>",
            "variables": variables,
        }
        headers = {"Content-Type": "application/json", "Authorization": account}
        async with (
            aiohttp.ClientSession() as web,
            web.post(f"{asterisk.ari_url}/ari/channels", data=json.dumps(body), headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def spooled(self, family: str) -> list[str]:
        """The parts of the one line that comes into a family of the database, which is emptied."""
        async with asyncio.timeout(10):
            while not (lines := await self.pbx.ami.list("DBGetTree", Family=family)):
                await asyncio.sleep(0.05)
        (line,) = lines
        await self.pbx.ami.action("DBDel", Family=family, Key=line["key"].rpartition("/")[2])
        return line["val"].split("|")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def modem(pbx: Pbx) -> AsyncIterator[Modem]:
    asterisk = pbx.asterisk
    with (asterisk.etc / "manager.conf").open("a") as accounts:
        accounts.write(WATCHER)
    await reload(pbx.ami, "manager")
    await pbx.write({"extensions.conf": PLAN.files["extensions.conf"]})
    address = AmiAddress(asterisk.settings.host, "watcher", SecretStr("of-the-watcher"), asterisk.settings.ami_port)
    async with Ami.connect(address, events="on") as watcher:
        yield Modem(pbx, watcher)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(part: str) -> str:
    return base64.b64decode(part).decode()


async def events_until_quiet(modem: Modem, extension: str, number: str, **variables: str) -> list[Event]:
    """Every event that any class of AMI shows of one message, which is over when both halves of its call have ended."""
    heard: list[Event] = []
    await eventually(
        lambda: modem.pbx.asterisk.console("core show channels count"),
        holds=lambda shown: shown.startswith("0 active channels"),
    )  # the call of the message before may still be ending
    with modem.watcher.events() as events:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                async for _ in events:
                    pass
        await modem.starts(extension, number, **variables)
        async with asyncio.timeout(10):
            async for event in events:
                assert isinstance(event, Event)
                heard.append(event)
                if [one.name for one in heard].count("Hangup") == HALVES:
                    break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                async for event in events:
                    assert isinstance(event, Event)
                    heard.append(event)
    return heard


def run(heard: list[Event]) -> set[tuple[str, str]]:
    """The lines of the dialplan that were run; what starts the channel is none."""
    lines = {(e["application"], e["appdata"]) for e in heard if e.name == "Newexten"}
    return {line for line in lines if line[0] != "AppDial2"}


async def test_asterisk_has_the_contexts_and_every_module_they_need(modem: Modem) -> None:
    expected = Objects(contexts=PLAN.objects.contexts, globals=PLAN.objects.globals)
    assert await read_back(modem.pbx.ami, expected) == ()


TEXTS = {
    "plain": "hello",
    "quotes": '"a" \'b\' `c` \\ \\n \\" |',
    "expansions": "${SHELL(touch /tmp/x)} $[1+1] ${EXTEN} $ {",
    "comments": "; ;-- --; # [x]\n#exec rm\n[evil]\nexten => s,1,System(x)",
    "line-breaks": "a\r\nb\n\n\r\r\n\tc",
    "a-forged-event": f"x{FORGERY}y",
    "arguments": "a,b)c(d&e^f=g",
    "other-scripts": "Привет 你好 👩‍👩‍👧‍👦 é\u2028\u0085",
    "the-longest-that-is-whole": "x" * 3_069,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_a_message_is_spooled_as_it_was(modem: Modem, text: str) -> None:
    await modem.starts("sms", "+4915112345", SMS=text, SMS_BASE64=encoded(text))
    at, name, sender, body = await modem.spooled("dpsms")
    assert re.fullmatch("[0-9]{10}", at)
    assert (name, decoded(sender), decoded(body)) == ("gsm-1", "+4915112345", text)


async def test_a_nul_is_kept_in_its_base64(modem: Modem) -> None:
    await modem.starts("sms", "+49151", SMS="a", SMS_BASE64=encoded("a\0b"))
    assert decoded((await modem.spooled("dpsms"))[3]) == "a\0b"


@pytest.mark.parametrize("length", [3_070, 3_072, 10_240])
async def test_what_asterisk_cuts_has_exactly_4095_characters_whatever_stands_before(modem: Modem, length: int) -> None:
    text = "ж" * (length // 2)
    await modem.starts("sms", "+" + "1" * 20, SMS="too much for ARI", SMS_BASE64=encoded(text))
    at, name, sender, body = await modem.spooled("dpsms")
    assert (at.isdecimal(), name, decoded(sender)) == (True, "gsm-1", "+" + "1" * 20)
    assert (len(body), body) == (4_095, encoded(text)[:4_095])


SENDERS = ["", "Ada", "a|b;c", 'x"y', "${EXTEN}", "$[1+1]", "a\\,b", "(x", "x)", "y" * 79, f"a{FORGERY}b", "Жук 你"]


@pytest.mark.parametrize("number", SENDERS, ids=range(len(SENDERS)))
async def test_whoever_sends_it_is_spooled_too(modem: Modem, number: str) -> None:
    await modem.starts("sms", number, SMS="x", SMS_BASE64=encoded("x"))
    _, _, sender, body = await modem.spooled("dpsms")
    assert (decoded(sender), body) == (number, encoded("x"))


@pytest.mark.parametrize("number", ["):1", "a):1:2(", "):-1:x", "A) :B"])
async def test_a_sender_that_closes_the_bracket_spoils_himself_alone(modem: Modem, number: str) -> None:
    await modem.starts("sms", number, SMS="x", SMS_BASE64=encoded("whole"))
    at, name, sender, body = await modem.spooled("dpsms")
    assert at.isdecimal()
    assert re.fullmatch("[A-Za-z0-9+/=]*", sender)
    assert (name, decoded(body)) == ("gsm-1", "whole")


HOSTILE = {name: TEXTS[name] for name in ("a-forged-event", "line-breaks", "comments", "expansions")}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_no_text_forges_an_event_for_whoever_listens_to_all_classes(modem: Modem, text: str) -> None:
    usual = await events_until_quiet(modem, "sms", "+49151", SMS="x", SMS_BASE64=encoded("x"))
    heard = await events_until_quiet(modem, "sms", "+49151", SMS=text, SMS_BASE64=encoded(text))
    assert sorted(e.name for e in heard) == sorted(e.name for e in usual)
    assert {"Newexten", "VarSet"} <= {e.name for e in heard}, "it hears what is run"
    assert not any("Forged" in value for e in heard if e.name == "Newexten" for value in e.values())
    await modem.pbx.ami.action("DBDelTree", Family="dpsms")


async def test_a_delivery_report_is_spooled(modem: Modem) -> None:
    said = {"PAYLOAD": "m-1:2|x", "SUCCESS": "1", "TYPE": "e", "TS": "26/11/21,16:00:00+04", "DT": FORGERY}
    variables = {f"SMS_REPORT_{name}": value for name, value in said.items()} | {"SMS_REPORT": "000,"}
    await modem.starts("report", "+49151", "gsm-2", **variables)
    _, name, number, *rest = await modem.spooled("dpreport")
    assert (name, decoded(number)) == ("gsm-2", "+49151")
    assert [decoded(part) for part in rest] == [*said.values(), "000,"]


@pytest.mark.parametrize("extension", ["ussd", "anything", "h", "t", "i", "group"])
async def test_nothing_else_is_there(modem: Modem, extension: str) -> None:
    shown = await modem.pbx.ami.list("ShowDialPlan", Context="dp-dongle-gsm-1")
    assert not any(event.get("extension") == extension for event in shown)
    heard = await events_until_quiet(modem, extension, "+49151")
    assert run(heard) == set()


@pytest.mark.parametrize("extension", ["s", "+4915199999", "0151", "112"])
async def test_a_call_is_refused_where_the_manifest_names_no_destination(modem: Modem, extension: str) -> None:
    heard = await events_until_quiet(modem, extension, "+49151")
    assert run(heard) == {("Hangup", "21")}
