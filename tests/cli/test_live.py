"""The example office on a real Asterisk: run, get, doctor, ami, diff."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.asterisk import AsteriskInstance

OFFICE = Path(__file__).parents[2] / "examples" / "office"


class Beside:
    """Commands beside one Asterisk."""

    def __init__(self, asterisk: AsteriskInstance, site: Path, state: Path) -> None:
        account, calls = asterisk.settings.controller, asterisk.settings.calls
        self.recordings = asterisk.directory / "recordings"
        self.sip_port = asterisk.sip_port
        self.site, self.state, self.config = str(site), str(state), str(asterisk.etc / "dialplane")
        self._env = {
            **os.environ,
            "ASTERISK_AMI_HOST": "127.0.0.1",
            "ASTERISK_AMI_PORT": str(asterisk.settings.ami_port),
            "ASTERISK_AMI_USERNAME": account.name,
            "ASTERISK_AMI_PASSWORD": account.secret,
            "ASTERISK_AMI_CALLS_USERNAME": calls.name,
            "ASTERISK_AMI_CALLS_PASSWORD": calls.secret,
        }

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dialplane.cli", *arguments),
            env=self._env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(90):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    async with AsteriskInstance(tmp_path / "asterisk") as asterisk:
        site = tmp_path / "office"
        shutil.copytree(OFFICE, site)
        pbx = site / "asterisk.yaml"
        text = pbx.read_text().replace("127.0.0.1:5060", f"127.0.0.1:{asterisk.sip_port}")
        pbx.write_text(text.replace("10000", str(asterisk.rtp_start)).replace("10200", str(asterisk.rtp_end)))
        found = Beside(asterisk, site, tmp_path / "state")
        with pbx.open("a") as file:
            file.write(f"  recording: {{path: {found.recordings}}}\n")
        trunk = site / "carrier.yaml"
        trunk.write_text(trunk.read_text().replace("sip.carrier.example.com", "192.0.2.1"))  # no name to look up
        phones = site / "phones.yaml"
        phones.write_text(phones.read_text().replace("displayName: Sales", "displayName: Sales\n  record: always"))
        yield found


async def test_the_office_becomes_ready_and_every_command_agrees(beside: Beside) -> None:
    run = ("run", "-f", beside.site, "--config-dir", beside.config, "--state-dir", beside.state, "--once")
    code, out, err = await beside.run(*run)
    assert code == 0, err
    assert out.endswith("all resources are Ready\n")
    assert f"Register a softphone at 127.0.0.1:{beside.sip_port} (udp)" in out
    assert "user 104, password: key `password` of Secret phone-104; may dial internal" in out
    assert "example-password" not in out
    assert "example-password" not in err

    code, _, err = await beside.run(*run)
    assert code == 0
    assert "event=reloaded" not in err, "a second run on an unchanged site"

    _, out, _ = await beside.run("get", "extensions", "-o", "json", "--state-dir", beside.state)
    ready = {
        item["metadata"]["name"]: next(c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready")
        for item in json.loads(out)["items"]
    }
    assert ready == dict.fromkeys(("door", "reception", "sales", "workshop"), "True")

    code, out, _ = await beside.run("doctor", "-f", beside.site, "--config-dir", beside.config, "-o", "json")
    checks = {check["check"]: check["level"] for check in json.loads(out)["checks"]}
    assert code == 0, out
    names = ("AMI", "rights", "version", "modules", "clock", "dialplan", "sorcery", "recordings")
    assert [checks[name] for name in names] == ["ok"] * len(names)

    code, out, _ = await beside.run("ami", "PJSIPShowEndpoint", "endpoint=101", "-o", "json")
    assert code == 0
    assert "example-password" not in out
    assert any(item.get("objectname") == "101" for item in json.loads(out))
    assert (await beside.run("ami", "Nonsense"))[0] == 1

    shutil.rmtree(beside.recordings)
    beside.recordings.write_text("no folder")
    code, out, _ = await beside.run("doctor", "-f", beside.site, "--config-dir", beside.config)
    assert code == 1
    assert f"Asterisk cannot write to {beside.recordings}: calls are not recorded" in out

    code, _, err = await beside.run("diff", "-f", beside.site, "--live", beside.config)
    assert (code, err) == (0, "nothing differs\n")
