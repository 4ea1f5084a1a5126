"""The commands of outbound calls as whole processes, before the real API, with a platform that plays calls."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialplane.services.infinity.campaign.campaigns import Campaigns
from dialplane.services.infinity.campaign.progress import Progress
from dialplane.store import Store
from testbed.infinity.account import Account
from testbed.infinity.peer import InfinityPeer
from tests.api.infinity_site import CALLBACK, SECRETS, World, of_tenant, site, word
from tests.forks import dialplane

LIMIT = 60


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Told(Campaigns):
    """One campaign, `spring`, whose progress a test tells look by look; the last one stays."""

    looks: Sequence[dict[str, Any]] = ()

    async def all_progress(self) -> tuple[Progress, ...]:
        look, *later = self.looks
        self.looks = later or [look]
        counted = dict.fromkeys(("total", "dialed", "answered", "failed", "skipped", "remaining", "active_calls"), 0)
        more = {"why": "", "answer_percent": None, "next_call_at": None, "completed_at": None}
        return (Progress(name="spring", tenant="acme", **{"phase": "Running", **counted, **more, **look}),)

    async def progress(self, name: str) -> Progress | None:
        return next((found for found in await self.all_progress() if found.name == name), None)


@dataclass
class Commands:
    """A site that serves, and `dialplane` before it."""

    world: World
    peer: InfinityPeer | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.world.client.base_url).rstrip("/")

    async def begin(self, *arguments: str, token: str = "everything") -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dialplane.cli", *arguments),
            env=self._environment(token),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, *arguments: str, given: str = "", token: str = "everything") -> Ended:
        env = self._environment(token)
        ended = await asyncio.to_thread(dialplane, *arguments, env=env, stdin=given)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def _environment(self, token: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DIALPLANE")}
        env = {"DIALPLANE_URL": self.url, "DIALPLANE_TOKEN": word(token), "TZ": "UTC", **self.environment}
        return {**clean, **env}

    async def call(self, *more: str, to: str = "+15550111") -> Ended:
        return await self.run(*placing(to), *more)


def placing(to: str = "+15550111") -> Sequence[str]:
    """The command line of a call."""
    return ("call", "acme", "--agent", "ada", "--callback", "+15550101", "--to", to)


async def until(process: Process, words: str) -> str:
    """What a command printed until these words."""
    assert process.stdout is not None
    seen = ""
    async with asyncio.timeout(LIMIT):
        while words not in seen:
            line = await process.stdout.readline()
            assert line, f"it ended: {seen}"
            seen += line.decode()
    return seen


async def interrupted(process: Process) -> Ended:
    """As by Ctrl-C."""
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(LIMIT):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def commands(folder: Path, **changes: Any) -> AsyncIterator[Commands]:
    """Before a site that nobody calls for."""
    store = Store.open(f"sqlite:///{folder}/store.db")
    try:
        async with site(store, folder, of_tenant("acme", **changes), of_tenant("globex")) as world:
            yield Commands(world)
    finally:
        store.close()


@asynccontextmanager
async def calling(folder: Path, **changes: Any) -> AsyncIterator[Commands]:
    """Before a site whose platform plays every call."""
    account = Account(token="access-token", tenant="1", company="1001", secret=SECRETS["acme"])
    async with await InfinityPeer.start(folder, account) as peer:
        told = {"secretRef": {"name": "acme", "key": "callback"}, "progress": True}
        async with commands(folder, apiUrl=peer.url, callback=told, **changes) as made:
            await peer.account(url=f"{made.url}{CALLBACK}", progress=True)
            made.peer = peer
            yield made
