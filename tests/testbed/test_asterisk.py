import asyncio
import base64
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.ami import AmiClient, AmiRefusedError
from testbed.asterisk import AsteriskInstance, Installation, NoAsteriskError, locate
from testbed.process import StoppedEarlyError

READ_BACK = {
    "CoreStatus": {},
    "CoreSettings": {},
    "CoreShowChannels": {},
    "PJSIPShowEndpoints": {},
    "PJSIPShowEndpoint": {"Endpoint": "101"},
    "PJSIPShowAors": {},
    "PJSIPShowAuths": {},
    "PJSIPShowRegistrationsOutbound": {},
    "ShowDialPlan": {"Context": "internal"},
    "Getvar": {"Variable": "GLOBAL(X)"},
    "ModuleCheck": {"Module": "res_pjsip.so"},
    "Reload": {"Module": "res_pjsip_outbound_registration.so"},
    "DBPut": {"Family": "probe", "Key": "a", "Val": "1"},
    "DBGet": {"Family": "probe", "Key": "a"},
    "DBDel": {"Family": "probe", "Key": "a"},
    "VoicemailUsersList": {},
    "VoicemailUserStatus": {"Context": "default", "Mailbox": "101"},
}
NOT_FOR_THE_CONTROLLER = {
    "Command": {"Command": "core show version"},
    "Originate": {"Channel": "Local/101@internal", "Application": "NoOp"},
    "UpdateConfig": {"SrcFilename": "manager.conf", "DstFilename": "manager.conf"},
    "Redirect": {"Channel": "x", "Context": "internal", "Exten": "101", "Priority": "1"},
    "Setvar": {"Variable": "X", "Value": "1"},
}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def applications(asterisk: AsteriskInstance) -> set[str]:
    lines = (await asterisk.console("core show applications")).splitlines()
    return {line.split(":")[0].strip() for line in lines if ":" in line}


async def test_boots_without_a_warning_or_a_declined_module(asterisk: AsteriskInstance) -> None:
    assert asterisk.complaints() == []
    declined = [line for line in (await asterisk.console("module show")).splitlines() if "Not Running" in line]
    assert declined == []


async def test_the_bootstrap_keeps_what_dialplane_renders_and_drops_what_could_run_programs(
    asterisk: AsteriskInstance,
) -> None:
    there = await applications(asterisk)
    assert there >= {"Dial", "VoiceMail", "VoiceMailMain", "Gosub", "Stasis", "Queue", "MixMonitor", "Pickup"}
    assert not there & {"System", "TrySystem", "AGI", "EAGI", "Originate", "ExternalIVR", "VoiceMailODBC"}


async def test_the_controllers_account_can_read_back_everything(asterisk: AsteriskInstance) -> None:
    async with await asterisk.ami() as ami:
        for action, fields in READ_BACK.items():
            await ami.action(action, **fields)


async def test_the_controllers_account_can_neither_call_nor_configure(asterisk: AsteriskInstance) -> None:
    async with await asterisk.ami() as ami:
        for action, fields in NOT_FOR_THE_CONTROLLER.items():
            with pytest.raises(AmiRefusedError, match="Permission denied"):
                await ami.action(action, **fields)


@pytest.mark.parametrize(
    ("rights", "refused"),
    [
        ("system", {"ShowDialPlan", "Getvar", "VoicemailUsersList", "VoicemailUserStatus"}),
        ("reporting", {"PJSIPShowEndpoint", "Reload", "ModuleCheck", "DBPut", "DBDel"}),
    ],
)
async def test_neither_of_the_controllers_two_rights_can_be_spared(
    make_asterisk: Callable[[str], AsteriskInstance], rights: str, refused: set[str]
) -> None:
    asterisk = make_asterisk(rights)
    await asterisk.start()
    text = (asterisk.etc / "manager.conf").read_text()
    asterisk.write("manager.conf", text.replace("write = system,reporting", f"write = {rights}"))
    await asterisk.console("manager reload")
    denied = set()
    async with await asterisk.ami() as ami:
        for action, fields in READ_BACK.items():
            try:
                await ami.action(action, **fields)
            except AmiRefusedError as error:
                if str(error) == "Permission denied":
                    denied.add(action)
    assert denied >= refused


async def test_the_calls_account_can_call_and_not_reload(asterisk: AsteriskInstance) -> None:
    async with await asterisk.ami(asterisk.settings.calls) as ami:
        await ami.action("Originate", Channel="Local/999@internal", Application="NoOp", Async="true")
        with pytest.raises(AmiRefusedError, match="Permission denied"):
            await ami.action("Reload", Module="res_pjsip.so")


async def test_a_wrong_secret_is_refused(asterisk: AsteriskInstance) -> None:
    with pytest.raises(AmiRefusedError, match="Authentication failed"):
        await AmiClient.login("127.0.0.1", asterisk.settings.ami_port, "dialplane", "wrong")


async def test_two_instances_run_side_by_side(make_asterisk: Callable[[str], AsteriskInstance]) -> None:
    one, two = make_asterisk("one"), make_asterisk("two")
    await asyncio.gather(one.start(), two.start())
    assert one.complaints() == two.complaints() == []
    for each in (one, two):
        async with await each.ami() as ami:
            listed = await ami.listed("PJSIPShowEndpoints", "EndpointListComplete")
            assert {message["ObjectName"] for message in listed} == {"101", "102"}


async def test_stop_leaves_no_process_and_a_restart_keeps_the_ports(asterisk: AsteriskInstance) -> None:
    first = asterisk.pid
    await asterisk.restart()
    second = asterisk.pid
    assert first != second
    assert not is_alive(first)
    await asterisk.stop()
    assert not is_alive(second)
    assert asterisk.complaints() == []


@pytest.mark.usefixtures("installation")
def test_a_killed_test_run_leaves_no_asterisk(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import asyncio, pathlib
        from testbed.asterisk import AsteriskInstance
        async def main():
            asterisk = AsteriskInstance(pathlib.Path({str(tmp_path / "orphan")!r}))
            await asterisk.start()
            print(asterisk.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


async def test_a_configuration_that_cannot_boot_is_an_error_with_asterisks_own_words(
    tmp_path: Path, installation: Installation
) -> None:
    broken = {"asterisk.conf": "[directories]\nastmoddir => /nowhere\n"}
    asterisk = AsteriskInstance(tmp_path, installation=installation, bootstrap_files=broken)
    try:
        with pytest.raises((StoppedEarlyError, TimeoutError)):
            await asterisk.start(limit_seconds=5)
        assert not asterisk.running
    finally:
        await asterisk.close()


async def test_rendered_files_reach_every_base_file_that_tries_them(
    make_asterisk: Callable[[str], AsteriskInstance],
) -> None:
    asterisk = make_asterisk("included")
    asterisk.write("dialplane/voicemail.conf", "[default]\n101 => 4711,Alice\n")
    asterisk.write("dialplane/cdr.conf", "[general](+)\nenable=no\n")
    asterisk.write("dialplane/http.conf", "[general](+)\nsessionlimit=77\n")
    await asterisk.start()
    assert asterisk.complaints() == []
    async with await asterisk.ami() as ami:
        users = await ami.listed("VoicemailUsersList", "VoicemailUserEntryComplete")
        assert [(user["VoiceMailbox"], user["VMContext"]) for user in users] == [("101", "default")]
        assert (await ami.action("CoreSettings"))["CoreCDRenabled"] == "No"
    rtp = await asterisk.console("rtp show settings")
    assert str(asterisk.rtp_start) in rtp
    assert str(asterisk.rtp_end) in rtp
    assert "_1XX" in await asterisk.console("dialplan show 101@internal")


async def test_ari_and_http_answer_on_the_instances_own_port(asterisk: AsteriskInstance) -> None:
    account = asterisk.settings.ari
    word = base64.b64encode(f"{account.name}:{account.secret}".encode()).decode()
    reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.settings.http_port)
    writer.write(f"GET /ari/asterisk/info HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {word}\r\n\r\n".encode())
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200")


async def test_an_asterisk_that_the_user_names_is_the_one_that_runs(
    tmp_path: Path, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "prefix"
    for directory in ("sbin", "lib/asterisk", "share"):
        (prefix / directory).mkdir(parents=True)
    (prefix / "lib/asterisk/modules").symlink_to(installation.modules)
    (prefix / "share/asterisk").symlink_to(installation.data)
    binary = prefix / "sbin/asterisk"
    binary.write_text(f'#!/bin/sh\nexec {shlex.join(installation.argv)} "$@"\n')
    binary.chmod(0o755)
    monkeypatch.setenv("DIALPLANE_ASTERISK", str(binary))
    named = locate()
    assert (named.origin, named.version) == ("$DIALPLANE_ASTERISK", installation.version)
    async with AsteriskInstance(tmp_path / "named", installation=named) as asterisk:
        assert asterisk.complaints() == []


@pytest.mark.parametrize("named", ["/bin/true", "/nowhere/asterisk"])
def test_a_named_asterisk_that_is_none_is_an_error_and_not_replaced(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("DIALPLANE_ASTERISK", named)
    with pytest.raises(NoAsteriskError, match=named):
        locate()
