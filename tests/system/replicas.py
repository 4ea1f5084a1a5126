"""Two operators of one site, each behind proxies of its own, and what a fault must not cost: time, requests, calls."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

from bench.usage import usage
from testbed.asterisk import AsteriskInstance
from testbed.kube.rest import MERGE_PATCH
from testbed.kube.server import ApiServer
from testbed.ports import LOOPBACK
from tests.kube.proxy import Proxy
from tests.system.doors import Kube, Namespace
from tests.system.world import World, phones

ASKING = ("Challenge", "Core", "Getvar", "Login", "Logoff", "ModuleCheck", "PJSIPShow", "Ping", "Show", "VoicemailUser")
"""How the names of AMI actions begin that change nothing."""
TAKEN_OVER_WITHIN = 15.0
_SERIAL = itertools.count(1)


class Replica(Kube):
    """One operator; what it says to the API server and to Asterisk passes through us."""

    def __init__(self, directory: Path, asterisk: AsteriskInstance, namespace: Namespace) -> None:
        super().__init__(directory, asterisk, namespace)
        self.api = Proxy(namespace.server.url)
        self.ami = Proxy(f"{LOOPBACK}:{asterisk.settings.ami_port}")

    async def launch(self) -> None:
        """Start it, with the proxies."""
        await self.api.mend()
        await self.ami.mend()
        self.kubeconfig = self.api.kubeconfig(self.kubeconfig)
        await self.start()

    def command(self) -> tuple[list[str], dict[str, str]]:
        arguments, env = super().command()
        return arguments, env | {"ASTERISK_AMI_PORT": str(self.ami.port)}

    async def close(self) -> None:
        if self._child is not None and self._child.running:
            self.signal(signal.SIGCONT)
        await super().close()
        await self.api.cut()
        await self.ami.cut()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.child.pid, number)

    async def leads(self) -> bool:
        """Whether it says that it leads; one that starts says nothing yet."""
        self.child.check()
        try:
            return await self.metric("dialplane_leader") == 1
        except URLError:
            return False

    @property
    def cpu_seconds(self) -> float:
        """Processor time that the process took so far."""
        return usage(self.child.pid).cpu_seconds

    @property
    def effects(self) -> list[str]:
        """The AMI actions it sent that change something."""
        lines = self.ami.said.decode(errors="replace").splitlines()
        actions = [line.partition(":")[2].strip() for line in lines if line.startswith("Action:")]
        return [action for action in actions if not action.startswith(ASKING)]


@dataclass
class Spent:
    """What one operator spent on something."""

    cpu_seconds: float = 0.0
    connections: int = 0
    log_lines: int = 0

    def __str__(self) -> str:
        return f"{self.cpu_seconds:.2f} s of CPU, {self.connections} connections, {self.log_lines} log lines"


@dataclass
class Replicas:
    """A site with its two operators."""

    world: World
    pair: tuple[Replica, ...]

    @property
    def namespace(self) -> Namespace:
        return self.pair[0].namespace

    async def leaders(self) -> list[Replica]:
        return [replica for replica in self.pair if await replica.leads()]

    async def leader(self, *, limit_seconds: float = TAKEN_OVER_WITHIN) -> Replica:
        """The one that leads, once there is one."""
        async with asyncio.timeout(limit_seconds):
            while not (found := await self.leaders()):
                await asyncio.sleep(0.1)
        assert len(found) == 1
        return found[0]

    async def leaderless(self, *, limit_seconds: float = TAKEN_OVER_WITHIN) -> None:
        async with asyncio.timeout(limit_seconds):
            while await self.leaders():
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def one_leads(self) -> AsyncIterator[None]:
        """Within the block there are never two leaders."""
        seen: list[int] = []

        async def look() -> None:
            while True:
                seen.append(len(await self.leaders()))
                await asyncio.sleep(0.2)

        looking = asyncio.create_task(look())
        try:
            yield
        finally:
            looking.cancel()
        assert max(seen) == 1

    def other(self, replica: Replica) -> Replica:
        return next(each for each in self.pair if each is not replica)

    @contextmanager
    def spending(self) -> Iterator[list[Spent]]:
        """What each of the two spends within the block; filled at its end."""
        spent: list[Spent] = []

        def now(replica: Replica) -> tuple[float, int, int]:
            return replica.cpu_seconds, replica.api.connections, replica.log.count("\n")

        before = [now(replica) for replica in self.pair]
        yield spent
        for then, replica in zip(before, self.pair, strict=True):
            spent.append(Spent(*(b - a for a, b in zip(then, now(replica), strict=True))))

    async def patch(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """A merge patch by REST, at once; not noted as applied."""
        send, path = self.namespace.server.rest().request, self.namespace.path(kind, name)
        answer = await asyncio.to_thread(send, "PATCH", path, change, content_type=MERGE_PATCH)
        assert answer.ok, answer.message

    def files(self) -> dict[str, tuple[int, int]]:
        """Each rendered file by inode and time of change: differs after any write."""
        folder = self.world.asterisk.etc / "dialplane"
        return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.glob("*.conf")}


@asynccontextmanager
async def replicas(directory: Path, server: ApiServer, numbers: Iterable[str]) -> AsyncIterator[Replicas]:
    """A site with these phones, and two operators, of which one leads."""
    async with AsteriskInstance(directory / "asterisk") as asterisk:
        namespace = Namespace(server, f"pair-{next(_SERIAL)}")
        pair = tuple(Replica(directory / name, asterisk, namespace) for name in ("one", "two"))
        world = World(directory, asterisk, pair[0], await asterisk.ami())
        try:
            for replica in pair:
                await replica.launch()
            extensions, secrets = phones(numbers)
            await world.door.apply([world.pbx(), *extensions], secrets)
            await world.door.wait_ready()
            yield Replicas(world, pair)
        finally:
            await pair[1].close()
            await world.close()
