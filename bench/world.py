"""Everything around one measurement: an API server, an Asterisk, N phones as objects, and the controller as a process.

One world is one site of one size. Its objects are made before the controller starts; what the API server was asked,
and what Asterisk was told to reload, is counted from outside the controller.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import site
from bench.cluster import Cluster, connect
from bench.usage import Usage, usage
from dialplane.resources.manifest import GROUP
from testbed.ami import AmiClient
from testbed.asterisk import AsteriskInstance
from testbed.controller import start_controller
from testbed.kube.namespace import OPERATOR, Namespace, install_crds
from testbed.kube.server import ApiServer
from testbed.ports import lease
from testbed.process import Child

NAIVE: Final = "naive"
AUDIT_SECONDS: Final = 0.5
"""The watch may tell of a patch before the audit has its line."""
_NAIVE_RULES: Final = [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["*"]}]
_NAIVE_OPERATOR: Final = Path(__file__).with_name("naive_operator.py")


@dataclass
class World:
    """One site of `size` phones."""

    size: int
    directory: Path
    server: ApiServer
    asterisk: AsteriskInstance
    ami: AmiClient
    """Not the controller's: it hears every Reload."""
    cluster: Cluster
    _stack: AsyncExitStack
    _metrics_port: int
    _runs: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def names(self) -> list[str]:
        """The names of its Extensions."""
        return [site.name(index) for index in range(self.size)]

    @property
    def reloads(self) -> list[str]:
        """The module of every reload that Asterisk told of so far."""
        return [event["Module"] for event in self.ami.events if event.get("Event") == "Reload"]

    @asynccontextmanager
    async def operator(self) -> AsyncIterator["Process"]:
        """Run ``dialplane operator``, for as long as the context lasts."""
        config = self.server.kubeconfig(OPERATOR, namespace=self.cluster.namespace.name)
        started = time.monotonic()
        child = await start_controller(
            ["operator", "--namespace", self.cluster.namespace.name],
            self.asterisk,
            output=self.directory / f"operator-{next(self._runs)}.log",
            metrics_port=self._metrics_port,
            env={"KUBECONFIG": str(config)},
        )
        async with _running(Process(child, started)) as process:
            yield process

    @asynccontextmanager
    async def naive_operator(self, cluster: Cluster) -> AsyncIterator["Process"]:
        """Run the naive operator in its namespace, for as long as the context lasts."""
        namespace = cluster.namespace.name
        config = self.server.kubeconfig(NAIVE, namespace=namespace)
        argv = [sys.executable, "-m", "kopf", "run", "-n", namespace, str(_NAIVE_OPERATOR)]
        output = self.directory / f"naive-{next(self._runs)}.log"
        started = time.monotonic()
        child = await Child.start(NAIVE, argv, output=output, env={"KUBECONFIG": str(config)}, cwd=self.directory)
        async with _running(Process(child, started)) as process:
            yield process

    async def naive_site(self) -> Cluster:
        """A namespace with the same Extensions, for the naive operator alone."""
        namespace = Namespace(self.server, f"naive-{next(self._runs)}", rules=_NAIVE_RULES, user=NAIVE)
        cluster = await self._stack.enter_async_context(connect(namespace))
        await cluster.create(*(site.extension(index) for index in range(self.size)))
        return cluster

    def requests(self, user: str) -> Counter[str]:
        """How often the API server was asked by that user so far, by verb and kind: its own audit says so."""
        asked: dict[str, str] = {}
        if not self.server.audit_log.exists():  # nobody who is audited has asked yet
            return Counter()
        with self.server.audit_log.open() as lines:
            for line in lines:
                event = json.loads(line)
                if event["user"]["username"] == user:
                    what = event.get("objectRef", {})
                    kind = "/".join(filter(None, (what.get("resource"), what.get("subresource"))))
                    asked[event["auditID"]] = f"{event['verb']} {kind or event['requestURI'].partition('?')[0]}"
        return Counter(asked.values())


@dataclass(frozen=True)
class Process:
    """A process that is measured; `started` in seconds of `time.monotonic`."""

    child: Child
    started: float

    def usage(self) -> Usage:
        """What it took so far."""
        self.child.check()
        return usage(self.child.pid)


@asynccontextmanager
async def _running(process: Process) -> AsyncIterator[Process]:
    try:
        yield process
    except BaseException as error:
        error.add_note(f"{process.child.name} said:\n{process.child.tail(30)}")
        raise
    finally:
        await process.child.stop()


@asynccontextmanager
async def start(size: int, directory: Path, server: ApiServer | None = None) -> AsyncIterator[World]:
    """Start all of it in an empty directory, with `size` phones as objects; no controller runs.

    `server` runs, has our kinds and outlives it; its requests are counted where it records those of our users.
    """
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(AsteriskInstance(directory / "asterisk"))
        if server is None:
            server = ApiServer([OPERATOR, NAIVE], audited=[OPERATOR, NAIVE])
            stack.callback(server.close)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(install_crds, server)
        ami = await stack.enter_async_context(await asterisk.ami())
        await ami.action("Events", EventMask="system")
        ports = stack.enter_context(lease(1))
        cluster = await stack.enter_async_context(connect(Namespace(server, "site")))
        await cluster.create(*(site.account(index) for index in range(size)))
        await cluster.create(site.pbx(asterisk), *(site.extension(index) for index in range(size)))
        yield World(size, directory, server, asterisk, ami, cluster, stack, ports.take())


def difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What was counted between two counts."""
    return {what: count - before.get(what, 0) for what, count in after.items() if count > before.get(what, 0)}
