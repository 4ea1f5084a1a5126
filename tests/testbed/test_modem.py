"""The modem peer against the real Asterisk behind it."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from dialplane.asterisk.ami import Ami, AmiAddress
from testbed.ami import AmiClient, AmiRefusedError
from testbed.asterisk import AsteriskInstance, Installation
from testbed.bootstrap import Account
from testbed.modem.peer import ModemPeer
from testbed.ports import lease

IMEI, IMSI = "354000000000119", "262000000000011"
OTHER_IMEI, OTHER_IMSI = "354000000000226", "262000000000022"
CONFIG = f"""\
[general]
interval = 1

[defaults]
autodeletesms = yes
language = de

[front] ; by its IMEI
imei = {IMEI}
context = dp-dongle-front
group = 3
rxgain = -2

[back]
audio = /dev/ttyUSB4
data = /dev/ttyUSB5
context = dp-dongle-back
"""
DIALPLAN = """\
[dp-dongle-front]
exten => sms,1,Set(DB(dpsms/${UNIQUEID})=front|${BASE64_ENCODE(${CALLERID(num)})}|${SMS_BASE64})
 same => n,Set(DB(about/${UNIQUEID})=${CALLERID(name)}|${CHANNEL(language)}|${DONGLENAME}|${DONGLEIMEI}|${SMS_TS:0:2})
 same => n,Hangup()
exten => report,1,Set(DB(dpreport/${UNIQUEID})=${SMS_REPORT_PAYLOAD}|${SMS_REPORT_SUCCESS}|${SMS_REPORT_TYPE}|${SMS_REPORT}|${CALLERID(num)})
 same => n,Hangup()
exten => _+X.,1,Set(DB(calls/${EXTEN})=${CALLERID(num)})
 same => n,Answer()
 same => n,Wait(10)
 same => n,Hangup()

[dp-dongle-back]
exten => sms,1,Set(DB(waits/${UNIQUEID})=${UNIQUEID}|${CALLERID(num)})
 same => n,Wait(10)
"""


@pytest.fixture
async def real(tmp_path: Path, installation: Installation) -> AsyncIterator[AsteriskInstance]:
    asterisk = AsteriskInstance(
        tmp_path / "asterisk", installation=installation, dialplane_files={"extensions.conf": DIALPLAN}
    )
    try:
        await asterisk.start()
        yield asterisk
    finally:
        await asterisk.close()


@pytest.fixture
async def peer(tmp_path: Path, real: AsteriskInstance) -> AsyncIterator[ModemPeer]:
    (tmp_path / "dongle.conf").write_text(CONFIG)
    async with await ModemPeer.start(tmp_path, real, tmp_path / "dongle.conf") as started:
        yield started


async def login(peer: ModemPeer, account: Account, *, events: bool = True) -> AmiClient:
    return await AmiClient.login(*peer.address, account.name, account.secret, events=events)


async def talk(address: tuple[str, int], account: Account, sent: bytes) -> bytes:
    """All that comes back on a connection of its own."""
    reader, writer = await asyncio.open_connection(*address)
    hello = f"Action: Login\r\nUsername: {account.name}\r\nSecret: {account.secret}\r\nEvents: off\r\n\r\n"
    writer.write(hello.encode() + sent + b"Action: Logoff\r\n\r\n")
    async with asyncio.timeout(10):
        heard = await reader.read()
    writer.close()
    return heard


def direct_to(real: AsteriskInstance) -> tuple[str, int]:
    return real.settings.host, real.settings.ami_port


async def family(real: AsteriskInstance, name: str, count: int) -> list[str]:
    """The values of a family of Asterisk's database, once there are so many."""
    async with await real.ami(events=False) as ami, asyncio.timeout(10):
        while len(found := await ami.listed("DBGetTree", "DBGetTreeComplete", Family=name)) < count:
            await asyncio.sleep(0.05)
    return [message["Val"] for message in found]


async def test_answers_come_in_the_order_of_the_actions(peer: ModemPeer, real: AsteriskInstance) -> None:
    kinds = {
        "0": b"Action: Ping\r\n",
        "1": b"Action: DongleShowDevices\r\n",
        "2": b"Action: CoreShowChannels\r\n",
        "3": b"Action: DongleReset\r\n",
    }
    asked = [str(number % 4) for number in range(200)]
    sent = b"".join(kinds[kind] + f"ActionID: {number}\r\n\r\n".encode() for number, kind in enumerate(asked))
    heard = await talk(peer.address, real.settings.controller, sent)
    answers = [int(number) for number in re.findall(rb"Response: \w+\r\nActionID: (\d+)\r\n", heard)]
    assert answers == list(range(200))


async def test_everything_else_passes_byte_for_byte(peer: ModemPeer, real: AsteriskInstance) -> None:
    sent = (
        b"Action: CoreSettings\r\nActionID: 1\r\n\r\n"
        b"Action: GetConfig\r\nActionID: 2\r\nFilename: modules.conf\r\n\r\n"
        b"action:ListCommands\nactionid:  3\n\n"
        b"\r\n"
        b"Action: \xff\xfe\r\nActionID: \xf0\x9f\r\n\r\n"
        b"Action: Events\r\nEventMask: off\r\n\r\n"
        b"Action: ModuleCheck\r\nModule: chan_quectel.so\r\n\r\n"
    )
    direct = await talk(direct_to(real), real.settings.controller, sent)
    assert await talk(peer.address, real.settings.controller, sent) == direct
    assert b"Thanks for all the fish" in direct


async def test_a_long_line_is_taken_or_refused_as_by_asterisk(peer: ModemPeer, real: AsteriskInstance) -> None:
    for length in (1000, 1021, 1022, 1023, 1024, 1025, 1100, 4000):
        line = b"Filler: " + b"x" * (length - 8) + b"\r\n"
        sent = b"Action: CoreSettings\r\nActionID: 7\r\n" + line + b"\r\n"
        direct = await talk(direct_to(real), real.settings.controller, sent)
        assert await talk(peer.address, real.settings.controller, sent) == direct, length
        ours = sent.replace(b"CoreSettings", b"DongleShowDevices")
        heard = await talk(peer.address, real.settings.controller, ours)
        assert (b"line too long" in heard) == (b"line too long" in direct) == (length > 1022), length


async def test_rights_are_those_of_asterisks_own_accounts(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    send = {"Device": "front", "Number": "+491", "Message": "hello"}
    async with await login(peer, real.settings.controller) as main, await login(peer, real.settings.calls) as calls:
        with pytest.raises(AmiRefusedError, match=r"^Permission denied$"):
            await main.action("DongleSendSMS", **send)
        for action in ("DongleReset", "DongleReload", "DongleShowDevices"):
            with pytest.raises(AmiRefusedError, match=r"^Permission denied$"):
                await calls.action(action, Device="front", When="now")
        assert (await calls.action("DongleSendSMS", **send))["Message"] == "[front] SMS queued for send"
        assert (await main.action("ModuleCheck", Module="chan_dongle.so"))["Response"] == "Success"
    assert len(await peer.sent()) == 1


async def test_nothing_is_done_before_login(peer: ModemPeer) -> None:
    reader, writer = await asyncio.open_connection(*peer.address)
    writer.write(b"Action: DongleShowDevices\r\nActionID: 5\r\n\r\n")
    async with asyncio.timeout(5):
        await reader.readline()
        heard = await reader.readuntil(b"\r\n\r\n")
    assert heard == b"Response: Error\r\nActionID: 5\r\nMessage: Permission denied\r\n\r\n"
    writer.close()


async def test_a_device_shows_its_settings_and_its_modem(peer: ModemPeer, real: AsteriskInstance) -> None:
    assert await peer.plug(IMEI, IMSI, provider="Testnet", number="+4915550001", rssi=18) == "front"
    async with await login(peer, real.settings.controller) as ami:
        front, back = await ami.listed("DongleShowDevices", "DongleShowDevicesComplete")
    assert list(front)[:5] == ["Event", "ActionID", "Device", "AudioSetting", "DataSetting"]
    assert {
        "Device": "front", "Context": "dp-dongle-front", "ChannelLanguage": "de", "Group": "3", "RXGain": "-2",
        "AutoDeleteSMS": "Yes", "State": "Free", "IMEISetting": IMEI, "IMEIState": IMEI, "IMSIState": IMSI,
        "GSMRegistrationStatus": "Registered, home network", "RSSI": "18, -77 dBm", "ProviderName": "Testnet",
        "SubscriberNumber": "+4915550001", "TasksInQueue": "0", "CurrentDeviceState": "start",
    }.items() <= front.items()  # fmt: skip
    assert {
        "Device": "back",
        "State": "Not connected",
        "IMEIState": "",
        "AudioState": "/dev/ttyUSB4",
    }.items() <= back.items()


async def test_a_message_runs_the_real_dialplan_and_tells_its_events(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    async with await login(peer, real.settings.calls) as ami:
        text = 'Привет, "мир" 你好 🎉 ${EPOCH};\\\nsecond line'
        await peer.deliver("front", "+4917012345", text)
        event = await ami.event("DongleNewSMSBase64", From="+4917012345")
        assert base64.b64decode(event["Message"]).decode() == text
        lines = await ami.event("DongleNewSMS")
        assert (lines["LineCount"], lines["MessageLine1"]) == ("2", "second line")
    sender = base64.b64encode(b"+4917012345").decode()
    encoded = base64.b64encode(text.encode()).decode()
    assert await family(real, "dpsms", 1) == [f"front|{sender}|{encoded}"]
    [about] = await family(real, "about", 1)
    assert about.split("|")[:4] == ["front", "de", "front", IMEI]


async def test_a_body_of_ten_kilobytes_is_whole_in_the_channel(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(OTHER_IMEI, OTHER_IMSI, audio="/dev/ttyUSB4", data="/dev/ttyUSB5")
    text = 'quote " and \\ ' * 800
    assert len(text) > 10_000
    await peer.deliver("back", 'Odd"<na;me>', text)
    [waiting] = await family(real, "waits", 1)
    channel, _, sender = waiting.partition("|")
    assert sender == 'Odd"<na;me>'
    expected = {"SMS": text, "SMS_BASE64": base64.b64encode(text.encode()).decode()}
    ari = real.settings.ari
    headers = {"Authorization": aiohttp.encode_basic_auth(ari.name, ari.secret)}
    async with aiohttp.ClientSession(real.ari_url, headers=headers) as session:
        for variable, value in expected.items():
            async with session.get(f"/ari/channels/{channel}/variable", params={"variable": variable}) as answer:
                assert (await answer.json())["value"] == value


async def test_a_character_split_over_two_packets_is_read_whole(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    await peer.ask("cut", characters=True, offsets=[1, 20], pause=0.002)
    account = real.settings.calls
    address = AmiAddress(peer.address[0], account.name, SecretStr(account.secret), peer.address[1])
    async with Ami.connect(address, events="call", wait_for_boot=False) as ami:
        with ami.events("DongleNewSMS", "DongleNewSMSBase64") as events:
            await peer.deliver("front", "+491", "Ж你🎉")
            async with asyncio.timeout(10):
                heard = aiter(events)
                # The driver ends the first by a blank line too many: the second must not suffer from it.
                lines, encoded = await anext(heard), await anext(heard)
    assert lines["MessageLine0"] == "Ж你🎉"
    assert base64.b64decode(encoded["Message"]).decode() == "Ж你🎉"


@pytest.mark.parametrize(
    ("outcome", "report", "expected"),
    [
        ("delivered", "yes", "id-7|1|e|000,|+491"),
        ("delivered", "no", "id-7|1|i||+491"),
        ("failed", "yes", "id-7|0|e|064,|+491"),
        ("unsent", "yes", "id-7|0|i||+491"),
        ("expired", "yes", "id-7|0|t||+491"),
    ],
)
async def test_a_report_runs_the_real_dialplan(
    peer: ModemPeer, real: AsteriskInstance, outcome: str, report: str, expected: str
) -> None:
    await peer.plug(IMEI, IMSI)
    await peer.ask("outcome", name=outcome)
    async with await login(peer, real.settings.calls) as ami:
        await ami.action(
            "DongleSendSMS", Device="front", Number="+491", Message="a\\nb\\\\c", Report=report, Payload="id-7"
        )
        event = await ami.event("DongleReport", Payload="id-7")
    assert await family(real, "dpreport", 1) == [expected]
    assert event["Success"] == expected.split("|")[1]
    assert event["Type"] == str("iet".index(expected.split("|")[2]))
    [sent] = await peer.sent()
    assert sent["text"] == "a\nb\\c"


async def test_a_lost_answer_is_a_message_that_was_accepted(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    await peer.ask("lose_answer")
    async with await login(peer, real.settings.calls) as ami:
        with pytest.raises(TimeoutError):
            await ami.action("DongleSendSMS", limit_seconds=1, Device="front", Number="1", Message="x")
    assert len(await peer.sent()) == 1
    assert (await peer.counts())["lines"] == 0


async def test_a_refusal_has_the_drivers_words(peer: ModemPeer, real: AsteriskInstance) -> None:
    async with await login(peer, real.settings.calls) as ami:
        with pytest.raises(AmiRefusedError, match=r"^\[front\] Device disconnected$"):
            await ami.action("DongleSendSMS", Device="front", Number="1", Message="x")
        with pytest.raises(AmiRefusedError, match=r"^\[front\] Invalid phone number$"):
            await ami.action("DongleSendSMS", Device="front", Number="one", Message="x")
        await peer.plug(IMEI, IMSI)
        await peer.ask("refuse", error="SMSDB error")
        with pytest.raises(AmiRefusedError, match=r"^\[front\] SMSDB error$"):
            await ami.action("DongleSendSMS", Device="front", Number="1", Message="x")
    assert await peer.sent() == []


async def test_modems_come_and_go(peer: ModemPeer, real: AsteriskInstance) -> None:
    async with await login(peer, real.settings.controller) as ami:
        assert await peer.plug(OTHER_IMEI, OTHER_IMSI, audio="/dev/ttyUSB4", data="/dev/ttyUSB5") == "back"
        await ami.event("DongleStatus", Device="back", Status="Initialize")
        await peer.ask("network", imei=OTHER_IMEI, registration="denied")
        await ami.event("DongleStatus", Device="back", Status="Unregister")
        await peer.deliver("back", "1", "kept by the network")
        await peer.unplug(OTHER_IMEI)
        await ami.event("DongleStatus", Device="back", Status="Disconnect")
    assert (await peer.counts())["waiting"] == 1
    await peer.plug(OTHER_IMEI, OTHER_IMSI, audio="/dev/ttyUSB4", data="/dev/ttyUSB5")
    await family(real, "waits", 1)
    assert (await peer.counts())["waiting"] == 0


async def test_a_reload_restarts_a_device_in_a_call_when_the_call_ends(
    peer: ModemPeer, real: AsteriskInstance, tmp_path: Path
) -> None:
    await peer.plug(IMEI, IMSI, number="+4915550001")
    async with await login(peer, real.settings.controller) as ami:
        call = (await peer.ask("call", device="front", number="+4917099"))["call"]
        await ami.event("DongleCallStateChange", NewState="active")
        (tmp_path / "dongle.conf").write_text(CONFIG.replace("rxgain = -2", "rxgain = 5\nimsi = " + IMSI))
        await ami.action("DongleReload", When="gracefully")
        [front] = await ami.listed("DongleShowDevices", "DongleShowDevicesComplete", Device="front")
        assert (front["RXGain"], front["State"], front["DesiredDeviceState"]) == ("5", "Incoming", "restart")
        await peer.ask("hangup", device="front", call=call)
        await ami.event("DongleCEND", Device="front")
        await ami.event("DongleStatus", Device="front", Status="Disconnect")
        [front] = await ami.listed("DongleShowDevices", "DongleShowDevicesComplete", Device="front")
        assert (front["State"], front["IMSISetting"]) == ("Free", IMSI)
    assert await family(real, "calls", 1) == ["+4917099"]


async def test_five_hundred_messages_arrive_in_seconds(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    await peer.deliver("front", "+491", "number {n}", repeat=500)
    values = await family(real, "dpsms", 500)
    texts = {base64.b64decode(value.split("|")[2]).decode() for value in values}
    assert texts == {f"number {number}" for number in range(500)}


async def test_messages_wait_while_asterisk_is_away(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    await real.stop()
    await peer.deliver("front", "+491", "number {n}", repeat=20)
    await real.start()
    assert len(await family(real, "dpsms", 20)) == 20


async def test_what_was_sent_before_the_line_dropped_is_still_done(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    account = real.settings.calls
    _, writer = await asyncio.open_connection(*peer.address)
    hello = f"Action: Login\r\nUsername: {account.name}\r\nSecret: {account.secret}\r\n\r\n"
    send = "Action: DongleSendSMS\r\nDevice: front\r\nNumber: 1\r\nMessage: x\r\n\r\n"
    writer.write((hello + send * 5).encode())
    await writer.drain()
    writer.close()
    async with asyncio.timeout(10):
        while len(await peer.sent()) < 5:
            await asyncio.sleep(0.05)


async def test_a_line_can_drop_inside_a_message(peer: ModemPeer, real: AsteriskInstance) -> None:
    account = real.settings.controller
    reader, writer = await asyncio.open_connection(*peer.address)
    writer.write(
        f"Action: Login\r\nUsername: {account.name}\r\nSecret: {account.secret}\r\nEvents: off\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        await reader.readuntil(b"\r\n\r\n")
        await peer.drop(after_bytes=11)
        writer.write(b"Action: Ping\r\n\r\n")
        assert await reader.read() == b"Response: S"
    writer.close()


async def test_a_stuck_modem_takes_messages_and_looks_well_until_it_is_reset(
    peer: ModemPeer, real: AsteriskInstance
) -> None:
    await peer.plug(IMEI, IMSI)
    await peer.ask("stuck", imei=IMEI)
    async with await login(peer, real.settings.controller) as main, await login(peer, real.settings.calls) as calls:
        await calls.action("DongleSendSMS", Device="front", Number="1", Message="x", Report="yes", Payload="1")
        await peer.deliver("front", "+491", "later")
        [front] = await main.listed("DongleShowDevices", "DongleShowDevicesComplete", Device="front")
        assert (front["State"], front["TasksInQueue"]) == ("Free", "1")
        await main.action("DongleReset", Device="front")
        await main.event("DongleStatus", Device="front", Status="Disconnect")
    assert len(await family(real, "dpsms", 1)) == 1
    [sent] = await peer.sent()
    assert sent["state"] == "forgotten"


async def test_accounts_that_do_not_read_call_hear_no_events(tmp_path: Path, real: AsteriskInstance) -> None:
    (tmp_path / "dongle.conf").write_text(CONFIG)
    rights = {real.settings.controller.name: "system,security"}
    async with (
        await ModemPeer.start(tmp_path, real, tmp_path / "dongle.conf", rights=rights) as peer,
        await login(peer, real.settings.controller) as deaf,
        await login(peer, real.settings.calls) as hears,
        await login(peer, real.settings.calls, events=False) as off,
    ):
        await peer.plug(IMEI, IMSI)
        await hears.event("DongleStatus", Status="Initialize")
        for client in (deaf, off):
            await client.action("Ping")
            assert not [event for event in client.events if event["Event"].startswith("Dongle")]


async def test_a_text_with_nul_ends_there_for_everyone_but_base64(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    await peer.deliver("front", "+491", b"before\0after")
    [value] = await family(real, "dpsms", 1)
    assert base64.b64decode(value.split("|")[2]) == b"before\0after"


async def test_the_other_driver_has_its_own_names(tmp_path: Path, real: AsteriskInstance) -> None:
    (tmp_path / "quectel.conf").write_text(f"[front]\nimei = {IMEI}\ncontext = dp-dongle-front\nresetquectel = no\n")
    async with (
        await ModemPeer.start(tmp_path, real, tmp_path / "quectel.conf", driver="chan_quectel") as peer,
        await login(peer, real.settings.controller) as ami,
    ):
        assert await peer.plug(IMEI, IMSI) == "front"
        await ami.event("QuectelStatus", Status="Connect")
        [front] = await ami.listed("QuectelShowDevices", "QuectelShowDevicesComplete")
        assert (front["Event"], front["ResetQuectel"]) == ("QuectelDeviceEntry", "No")
        await ami.action("ModuleCheck", Module="chan_quectel.so")
        for action, fields in {"ModuleCheck": {"Module": "chan_dongle.so"}, "DongleShowDevices": {}}.items():
            with pytest.raises(AmiRefusedError):
                await ami.action(action, **fields)


async def test_asterisk_can_be_without_the_module(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.ask("module", on=False)
    async with await login(peer, real.settings.controller) as ami:
        with pytest.raises(AmiRefusedError, match="Module not loaded"):
            await ami.action("ModuleCheck", Module="chan_dongle.so")
        with pytest.raises(AmiRefusedError, match="Invalid/unknown command: DongleShowDevices"):
            await ami.action("DongleShowDevices")


async def test_commands_come_over_tcp_too(tmp_path: Path, real: AsteriskInstance) -> None:
    (tmp_path / "dongle.conf").write_text(CONFIG)
    with lease(1) as ports:
        port = ports.take()
        async with await ModemPeer.start(tmp_path, real, tmp_path / "dongle.conf", control=port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"id":1,"do":"counts"}\n{"id":2,"do":"nothing"}\n')
            async with asyncio.timeout(5):
                first, second = json.loads(await reader.readline()), json.loads(await reader.readline())
            writer.close()
    assert (first["ok"], first["accepted"], second["ok"]) == (True, 0, False)


async def test_a_slow_answer_holds_up_all_after_it(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.ask("delay_answers", seconds=0.5)
    async with await login(peer, real.settings.controller) as ami:
        answered: list[str] = []

        async def ask(name: str) -> None:
            await ami.action(name)
            answered.append(name)

        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.gather(ask("DongleShowDevices"), ask("Ping"))
        assert answered == ["DongleShowDevices", "Ping"]
        assert loop.time() - begun >= 0.5


async def test_events_told_twice_run_the_dialplan_once(peer: ModemPeer, real: AsteriskInstance) -> None:
    await peer.plug(IMEI, IMSI)
    async with await login(peer, real.settings.calls) as ami:
        await peer.deliver("front", "+491", "once", duplicate=True)
        await peer.deliver("front", "+491", "last")
        await ami.event("DongleNewSMSBase64", Message=base64.b64encode(b"last").decode())
        told = [event["Message"] for event in ami.events if event["Event"] == "DongleNewSMSBase64"]
    assert [base64.b64decode(message) for message in told] == [b"once", b"once", b"last"]
    assert len(await family(real, "dpsms", 2)) == 2


async def test_a_modem_that_is_away_takes_no_orders(peer: ModemPeer, real: AsteriskInstance) -> None:
    async with await login(peer, real.settings.controller) as ami:
        for action in ("DongleReset", "DongleStop", "DongleReload"):
            with pytest.raises(AmiRefusedError) as refused:
                await ami.action(action, Device="front", When="someday")
            expected = "[front] Device disconnected" if action == "DongleReset" else "Invalid value of When"
            assert str(refused.value) == expected
        with pytest.raises(AmiRefusedError, match=r"^\[nobody\] Device not found$"):
            await ami.action("DongleStart", Device="nobody")
        assert (await ami.action("DongleStop", Device="front", When="now"))["Message"] == "[front] Stop scheduled"
        [front] = await ami.listed("DongleShowDevices", "DongleShowDevicesComplete", Device="front")
        assert front["State"] == "Stopped"
