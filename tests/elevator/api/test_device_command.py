"""`dialplane device`, as whole processes before the real API and the real service."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialplane.cli import device_view
from dialplane.cli.errors import ExitCode
from dialplane.services.elevator.tables import commands, devices, journal, telephones
from dialplane.services.elevator.tables.commands import CommandState
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.store import Store
from tests import forks
from tests.api.infinity_site import word
from tests.cli.infinity import Ended, interrupted, until
from tests.databases import NOW
from tests.elevator.api.devices_site import DevicesWorld, devices_site
from tests.elevator.camera import photograph
from tests.eventually import eventually
from tests.forks import on_a_terminal
from tests.infinity.site import SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")

NASTY = "\x1b]0;owned\x07\x1b[31m two\nlines \0 [bold]x[/bold] \u202eback"


@dataclass
class DeviceCommands:
    """A site that serves, and `dialplane device` before it."""

    world: DevicesWorld

    def environment(self, token: str = "everything") -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE")}
        return {**clean, "DIALPLANE_URL": self.world.url, "DIALPLANE_TOKEN": word(token), "TZ": "UTC"}

    async def run(self, *arguments: str, token: str = "everything", given: str = "") -> Ended:
        env = self.environment(token)
        ended = await asyncio.to_thread(forks.dialplane, "device", *arguments, env=env, stdin=given)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    async def begin(self, *arguments: str) -> Process:
        words = (sys.executable, "-m", "dialplane.cli", "device", *arguments)
        return await asyncio.create_subprocess_exec(*words, env=self.environment(), stdout=PIPE, stderr=PIPE)

    async def answer(self, state: CommandState, **more: Any) -> None:
        """As the device does, once there is a command for it."""
        (claimed,) = await eventually(self.world.claim)
        self.world.change(claimed, state, **more)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevicesWorld]:
    folder = tmp_path_factory.mktemp("devices")
    with closing(Store.open(f"sqlite:///{folder}/store.db")) as store:
        async with devices_site(store, folder) as made:
            yield made


@pytest_asyncio.fixture(loop_scope="module")
async def site(served: DevicesWorld) -> DeviceCommands:
    """Devices that are connected, without commands and alarms of before."""
    served.connect("town-hall-1", "town-hall-2")
    for name in ("town-hall-1", "town-hall-2"):
        telephones.end_alarm(served.store, SITE, name, datetime.now(UTC))
        while served.claim():
            pass
    await eventually(lambda: served.service.online("town-hall-2"))
    return DeviceCommands(served)


async def test_devices_are_listed_with_what_they_do(site: DeviceCommands) -> None:
    telephones.raise_alarm(site.world.store, SITE, "town-hall-1", datetime.now(UTC))
    listed = await site.run("list")
    assert listed.code == 0, listed.err
    assert listed.lines[0].split() == list(device_view.HEADINGS)
    rows = [re.split(" {3,}", line) for line in listed.lines[1:]]
    assert [row[:3] for row in rows] == [
        ["museum", "Museum", "no"],
        ["town-hall-1", "Town hall, lift 1", "yes"],
        ["town-hall-2", "Town hall, lift 2", "yes"],
    ]
    assert "Raised" in rows[1]
    narrowed = json.loads((await site.run("list", "--alarm", "--online", "--location", "hall", "-o", "json")).out)
    assert [each["id"] for each in narrowed] == ["town-hall-1"]
    assert [line.split()[0] for line in (await site.run("list", "--offline")).lines[1:]] == ["museum"]


async def test_a_command_is_sent_and_followed_to_its_end(site: DeviceCommands) -> None:
    sending = asyncio.create_task(site.run("send", "REBOOT", "town-hall-1", "--data", '{"delay": 5}', "--wait"))
    await site.answer("succeeded", result={"took": 3})
    ended = await sending
    assert ended.code == 0, ended.err
    (kept,) = commands.page(site.world.store, SITE, "town-hall-1", limit=1).commands
    assert (kept.name, kept.data, kept.token) == ("REBOOT", {"delay": 5}, "everything")
    assert ended.lines[-1] == f'town-hall-1: succeeded ({{"took": 3}})  {kept.id}'
    shown = await site.run("show", "town-hall-1")
    assert kept.id in shown.out
    assert "location: Town hall, lift 1" in shown.lines


async def test_a_device_is_shown_with_its_newest_picture(site: DeviceCommands) -> None:
    taken = await site.world.service.pictures.take("town-hall-2", photograph())
    await eventually(lambda: site.world.pictures("town-hall-2"))
    (line,) = [line for line in (await site.run("show", "town-hall-2")).lines if line.startswith("last_snapshot")]
    at = taken.taken_at.strftime("%Y-%m-%d %H:%M:%S")
    assert line.startswith(f"last_snapshot: {at} /api/v1/devices/town-hall-2/snapshots/")


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("failed", ExitCode.PROBLEMS, "REBOOT is failed: the door is open"),
        ("rejected", ExitCode.PROBLEMS, "REBOOT is rejected: the door is open"),
        ("unknown", ExitCode.OUTCOME_UNKNOWN, "nobody knows whether REBOOT was carried out: the door is open"),
        ("delivered", ExitCode.FINE, ""),
    ],
)
async def test_a_command_ends_as_the_device_says(
    site: DeviceCommands, state: CommandState, code: ExitCode, words: str
) -> None:
    sending = asyncio.create_task(site.run("send", "REBOOT", "town-hall-1", "--wait"))
    await site.answer(state, reason="the door is open")
    ended = await sending
    assert ended.code == code, ended.err
    assert words in ended.err
    assert len(ended.err.splitlines()) == bool(words)


async def test_many_devices_are_sent_a_command_and_each_refusal_is_told(site: DeviceCommands) -> None:
    ended = await site.run("send", "REBOOT", "town-hall-1", "museum", "town-hall-2", "nowhere")
    assert ended.code == 1
    assert [line.split(":")[0] for line in ended.lines] == ["town-hall-1", "town-hall-2"]
    errors = ended.err.splitlines()
    assert errors[0].startswith("museum: REBOOT is not among the allowedCommands")
    assert errors[1] == "nowhere: there is no device nowhere"
    assert errors[2] == "dialplane: REBOOT was refused for 2 of 4 devices"
    assert len(site.world.claim()) == 2


async def test_watching_in_a_pipe_tells_what_changes(site: DeviceCommands) -> None:
    process = await site.begin("watch", "--location", "Town hall")
    await until(process, "town-hall-2")
    telephones.raise_alarm(site.world.store, SITE, "town-hall-1", datetime.now(UTC))
    seen = await until(process, "Raised")
    assert "town-hall-1   online   alarm Raised   192.0.2.10   Town hall, lift 1" in seen
    assert "town-hall-2" not in seen
    assert (await interrupted(process)).code == 130


async def test_an_alarm_is_ended(site: DeviceCommands) -> None:
    telephones.raise_alarm(site.world.store, SITE, "town-hall-1", datetime.now(UTC))
    ended = await site.run("end-alarm", "town-hall-1", "town-hall-2")
    assert (ended.code, ended.out) == (1, "town-hall-1: Ended\n")
    assert "town-hall-2 has no open alarm" in ended.err


async def test_a_token_is_made_and_only_printed(site: DeviceCommands) -> None:
    ended = await site.run("token", "town-hall-1")
    made = ended.out.strip()
    (kept,) = devices.listed(site.world.store, SITE)
    assert kept.token_digest == devices.digest(made)
    assert (ended.code, ended.err) == (0, "")
    assert made not in (await site.run("show", "town-hall-1", "-o", "json")).out


@pytest.mark.parametrize("form", ["text", "json"])
async def test_what_a_device_wrote_steers_no_terminal(site: DeviceCommands, form: str, tmp_path: Path) -> None:
    data = {"level": "info", "text": NASTY}
    journal.append(site.world.store, SITE, [NewEntry("town-hall-2", "log", NOW, data)])
    arguments = ("device", "log", "town-hall-2", "--type", "log", "-n", "1", "-o", form)
    env = {name: value for name, value in site.environment().items() if name.startswith("DIALPLANE")}
    seen = await asyncio.to_thread(on_a_terminal, *arguments, cwd=tmp_path, COLUMNS="300", **env)
    assert "owned" in seen
    assert "[bold]x[/bold]" in seen
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", seen), repr(seen)
    if form == "json":
        assert json.loads(seen)[0]["data"]["text"] == NASTY


@pytest.mark.parametrize(
    ("arguments", "token", "code", "words"),
    [
        (["show", "nowhere"], "everything", 1, "there is no device nowhere"),
        (["show", "Nowhere!"], "everything", 2, "is no name of a device"),
        (["show", "town-hall-2"], "reader", 1, "may not read"),
        (["send", "OPEN", "town-hall-1"], "everything", 1, "REBOOT, LIGHT, SNAPSHOT"),
        (["send", "REBOOT", "town-hall-1"], "reader", 1, "may not command"),
        (["send", "REBOOT", "town-hall-1", "--data", "{"], "everything", 2, "--data is no JSON"),
        (["send", "REBOOT", "town-hall-1", "--deadline", "60"], "everything", 1, "within 30 s or not at all"),
        (["send", "REBOOT", "town-hall-1", "--idempotency-key", "a b"], "everything", 2, "no blanks"),
        (["token", "museum"], "everything", 1, "in the Secret museum"),
        (["log", "town-hall-1", "--type", "other"], "everything", 1, "type"),
    ],
)
async def test_what_cannot_be_done_is_one_line(
    site: DeviceCommands, arguments: list[str], token: str, code: int, words: str
) -> None:
    ended = await site.run(*arguments, token=token)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1
