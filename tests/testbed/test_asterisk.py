import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.ami import AmiClient, AmiRefusedError
from testbed.asterisk import AsteriskInstance, Installation
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
    declined = [
        line for line in (await asterisk.console("module show")).splitlines() if "Not Running" in line
    ]
    assert declined == []


@pytest.mark.parametrize(
    "application", ["Dial", "VoiceMail", "Gosub", "Stasis", "Queue", "MixMonitor", "Pickup"]
)
async def test_the_bootstrap_keeps_the_applications_that_dialplane_renders(
    asterisk: AsteriskInstance, application: str
) -> None:
    assert application in await applications(asterisk)


@pytest.mark.parametrize("application", ["System", "TrySystem", "AGI", "Originate", "ExternalIVR"])
async def test_the_bootstrap_leaves_out_what_could_run_programs(
    asterisk: AsteriskInstance, application: str
) -> None:
    assert application not in await applications(asterisk)


async def test_the_controllers_account_can_read_back_everything(asterisk: AsteriskInstance) -> None:
    async with await asterisk.ami() as ami:
        for action, fields in READ_BACK.items():
            await ami.action(action, **fields)


@pytest.mark.parametrize("action", NOT_FOR_THE_CONTROLLER)
async def test_the_controllers_account_can_neither_call_nor_configure(
    asterisk: AsteriskInstance, action: str
) -> None:
    async with await asterisk.ami() as ami:
        with pytest.raises(AmiRefusedError, match="Permission denied"):
            await ami.action(action, **NOT_FOR_THE_CONTROLLER[action])


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
