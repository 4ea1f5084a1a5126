"""`dialplane bot` is asked to end while a caller talks: its own process and store, on a real Asterisk."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import SecretStr
from pytest import TempPathFactory  # noqa: PT013 -- the type's only public place

from dialplane.asterisk.ari_callers import AriCallers
from dialplane.services.voicebot.reported import APPLICATION
from dialplane.services.voicebot.tables.calls import CallFilter, CallOutcome, page
from dialplane.store import Store, site_views
from dialplane.store.site_views import REPLICAS
from tests import forks
from tests.eventually import eventually
from tests.system.pbx import Pbx
from tests.voicebot.bot.bot_site import BOT_NUMBER, CALLER, FALLBACK, PHONE_HZ, BotSite, bot
from tests.voicebot.bot.program import TOKEN, program
from tests.voicebot.bot.test_replica import dial, hang_up, hears, in_fallback, press

SITE, SERVICE, BOT = "test", "voicebot", "bot/elsewhere"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bots(tmp_path_factory: TempPathFactory) -> AsyncIterator[BotSite]:
    directory: Path = tmp_path_factory.mktemp("drained")
    async with Pbx(directory) as pbx, program() as made_program:
        made = BotSite(pbx, directory, program=made_program)
        secret = {"name": "program", "key": "token"}
        external = {"url": made_program.url, "secretRef": secret, "allowPrivateAddress": True}
        await made.apply([bot("elsewhere", number=BOT_NUMBER, engine={"external": external})])
        for number in (CALLER, FALLBACK):
            await pbx.phone(number)
        yield made


@dataclass
class BotProcess:
    """`dialplane bot`, which serves a bot that echoes."""

    bots: BotSite
    process: BaseProcess
    store: Store
    log: Path
    application: str = ""

    def states(self) -> dict[str, Any]:
        """What it reports, by subject."""
        found = site_views.replicas(self.store, SITE, {}, [SERVICE]).states
        return {each.subject: each.state for states in found.values() for each in states}

    def leased_until(self) -> datetime:
        with self.store.read() as connection:
            until: datetime = connection.execute(sa.select(REPLICAS.c.expires_at)).scalar_one()
            return until

    def outcome(self) -> CallOutcome | None:
        """How its one call ended, as it is written down."""
        (call,) = page(self.store, SITE, CallFilter(), limit=10).calls
        return call.outcome

    async def is_open(self) -> bool:
        """Whether its application is open in Asterisk."""
        asterisk = self.bots.pbx.asterisk
        account = asterisk.settings.ari
        async with AriCallers(asterisk.ari_url, account.name, SecretStr(account.secret)) as ari:
            return self.application in await ari.applications()

    async def drain(self) -> None:
        """Ask it to end, and return when it takes no more calls."""
        self.process.terminate()
        await eventually(self.states, holds=lambda seen: APPLICATION not in seen and seen[BOT]["digest"] == "")
        assert self.states()[BOT]["calls"] == 1

    async def ended(self) -> int:
        """Return its exit code, once it has one."""
        await eventually(lambda: self.process.exitcode, holds=lambda code: code is not None, why=self.log.read_text)
        assert self.process.exitcode is not None
        return self.process.exitcode


@asynccontextmanager
async def bot_process(bots: BotSite, folder: Path, drain_seconds: int) -> AsyncIterator[BotProcess]:
    """Run it until it has proven its bot, and name its application to the dialplan, as a leader does."""
    account, url, log = bots.pbx.asterisk.settings.ari, f"sqlite:///{folder / 'store.db'}", folder / "bot.log"
    for name, values in {
        "ari": {"username": account.name, "password": account.secret},
        "program": {"token": TOKEN},
    }.items():
        (folder / "secrets" / name).mkdir(parents=True)
        for key, value in values.items():
            (folder / "secrets" / name / key).write_text(value)
    command = ["bot", "-n", SITE, "--secrets-dir", str(folder / "secrets"), "--metrics-address", ""]
    env = {**os.environ, "DIALPLANE_STORE_URL": url, "XDG_STATE_HOME": str(folder)}
    with closing(Store.open(url)) as store:
        term = site_views.begin_term(store, SITE, SERVICE)
        site_views.publish(store, SITE, SERVICE, term, bots.view("elsewhere"))
        with log.open("ab") as output, Path(os.devnull).open() as nothing:
            streams = (nothing.fileno(), output.fileno(), output.fileno())
            process = forks.start([*command, "--drain-seconds", str(drain_seconds)], streams, env=env)
        made = BotProcess(bots, process, store, log)
        try:
            await eventually(lambda: made.states().get(BOT, {}).get("ready"), 40, why=log.read_text)
            made.application = made.states()[APPLICATION]["name"]
            assert await made.is_open()
            await bots.pbx.asterisk.console(f"database put dpbot apps {made.application}")
            yield made
        finally:
            process.kill()
            process.join()
            await bots.close()


async def test_a_call_ends_in_peace_and_new_ones_go_elsewhere_at_once(bots: BotSite, tmp_path: Path) -> None:
    async with bot_process(bots, tmp_path, 600) as replica:
        call = await dial(bots)
        await hears(bots, call, PHONE_HZ)
        await eventually(lambda: replica.states()[BOT]["calls"] == 1)
        await replica.drain()
        leased = replica.leased_until()
        await dial(bots)  # nobody has told the dialplan
        await in_fallback(bots, 1)
        assert "caller refused" in replica.log.read_text() or not await replica.is_open()
        await eventually(replica.is_open, holds=lambda is_open: not is_open)
        await dial(bots)
        await in_fallback(bots, 2)
        await eventually(replica.leased_until, holds=lambda until: until > leased)
        await hears(bots, call, PHONE_HZ)
        await press(bots, call, "9")
        assert await replica.ended() == 0
        assert replica.outcome() is CallOutcome.COMPLETED
        assert not replica.states()
        await hang_up(bots)


async def test_a_call_that_does_not_end_goes_to_the_fallback_when_the_time_is_over(
    bots: BotSite, tmp_path: Path
) -> None:
    async with bot_process(bots, tmp_path, 1) as replica:
        call = await dial(bots)
        await hears(bots, call, PHONE_HZ)
        began = time.monotonic()
        replica.process.terminate()
        assert await replica.ended() == 0
        assert time.monotonic() - began >= 1
        await in_fallback(bots, 1)
        await hang_up(bots)


async def test_the_second_signal_ends_at_once(bots: BotSite, tmp_path: Path) -> None:
    async with bot_process(bots, tmp_path, 600) as replica:
        call = await dial(bots)
        await hears(bots, call, PHONE_HZ)
        await eventually(lambda: replica.states()[BOT]["calls"] == 1)
        await replica.drain()
        replica.process.terminate()
        assert await replica.ended() == 0
        await in_fallback(bots, 1)
        await hang_up(bots)
