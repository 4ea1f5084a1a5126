"""A VoiceBot's status through both doors: Ready when a replica has proven it, and no news when the controller restarts."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from testbed import voices
from testbed.asterisk import AsteriskInstance
from testbed.kube.namespace import Namespace
from testbed.kube.server import ApiServer
from testbed.manifests import condition, manifest
from tests import forks
from tests.eventually import eventually
from tests.system.doors import Door, Kube, Seen, Standalone, is_current, is_true
from tests.voicebot.leader.bots import DIALOG

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOT: dict[str, Any] = {"dialog": DIALOG, "fallback": {"to": {"hangup": True}}}


@dataclass
class Site:
    directory: Path
    asterisk: AsteriskInstance
    door: Door
    bot: BaseProcess | None = None
    """The replica, where the door does not have it in itself."""

    @property
    def pbx(self) -> dict[str, Any]:
        asterisk = self.asterisk
        transport = {"name": "udp", "protocol": "udp", "bind": f"127.0.0.1:{asterisk.sip_port}"}
        rtp = {"portStart": asterisk.rtp_start, "portEnd": asterisk.rtp_end}
        ari = {"url": asterisk.ari_url, "credentialsSecretRef": {"name": "ari"}}
        return manifest("Asterisk", "pbx", transports=[transport], rtp=rtp, ari=ari)

    async def applications(self) -> str:
        return await self.asterisk.console("database get dpbot apps")


@contextmanager
def replica(site: Site, namespace: str, store: str) -> Iterator[BaseProcess]:
    """`dialplane bot` with the Secrets of the site in a folder."""
    account = site.asterisk.settings.ari
    for key, value in (("username", account.name), ("password", account.secret)):
        (site.directory / "secrets" / "ari").mkdir(parents=True, exist_ok=True)
        (site.directory / "secrets" / "ari" / key).write_text(value)
    command = ["bot", "-n", namespace, "--secrets-dir", str(site.directory / "secrets"), "--metrics-address", ""]
    env = {**os.environ, **voices.environment(), "DIALPLANE_STORE_URL": store, "XDG_STATE_HOME": str(site.directory)}
    with (site.directory / "bot.log").open("ab") as output, Path(os.devnull).open() as nothing:
        started = forks.start(command, (nothing.fileno(), output.fileno(), output.fileno()), env=env)
    try:
        yield started
    finally:
        started.kill()
        started.join()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(
    door_kind: str, tmp_path_factory: pytest.TempPathFactory, api_server: Callable[[], ApiServer]
) -> AsyncIterator[Site]:
    directory: Path = tmp_path_factory.mktemp(door_kind)
    store = f"sqlite:///{directory}/store.db"
    async with AsteriskInstance(directory / "asterisk") as asterisk:
        door: Door = (
            Kube(directory / "door", asterisk, Namespace(api_server(), "bots"))
            if door_kind == "kube"
            else Standalone(directory / "door", asterisk)
        )
        door.environment = {**voices.environment(), "DIALPLANE_STORE_URL": store}
        made = Site(directory, asterisk, door)
        account = asterisk.settings.ari
        try:
            await door.start()
            secrets = {"ari": {"username": account.name, "password": account.secret}}
            await door.apply([made.pbx, manifest("VoiceBot", "desk", **BOT)], secrets)
            if isinstance(door, Kube):
                await door.until("VoiceBot", "desk", because("NoBot"), limit_seconds=40)
                with replica(made, door.namespace.name, store) as made.bot:
                    yield made
            else:
                yield made
        finally:
            await door.close()


def because(reason: str) -> Callable[[Seen], bool]:
    return lambda seen: condition(seen, "Ready").get("reason") == reason


def is_served(seen: Seen) -> bool:
    return is_current(seen) and is_true("Ready")(seen) and "answeredToday" in seen["status"]


async def test_a_bot_is_ready_once_a_replica_has_proven_it_and_takes_calls(site: Site) -> None:
    status = await site.door.until("VoiceBot", "desk", is_served, limit_seconds=60)
    assert (status["activeCalls"], status["answeredToday"]) == (0, 0)
    await eventually(site.applications, holds=lambda shown: "dialplane-bot-" in shown)


async def test_a_controller_that_restarts_writes_no_status(site: Site) -> None:
    before = await site.door.seen("VoiceBot")
    assert await site.door.stop() == 0
    await site.door.start()
    await site.door.said(r"pass done.*\n")
    await eventually(lambda: site.door.metric("dialplane_bots", state="served"), holds=lambda served: served == 1)
    await asyncio.sleep(1.5)  # long enough for what it would write then
    assert await site.door.seen("VoiceBot") == before


async def test_another_version_is_ready_when_it_is_proven(site: Site) -> None:
    await site.door.apply([manifest("VoiceBot", "desk", **BOT, greeting="Good day.")])
    await site.door.until("VoiceBot", "desk", is_served, limit_seconds=60)
    assert site.bot is None or site.bot.is_alive()
