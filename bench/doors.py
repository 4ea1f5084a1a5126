"""The two front doors as a soak uses them: put in what shall be, wait for the verdict, ask what each status says."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import site, standalone, world
from bench.cluster import Cluster, in_flight
from bench.cold_start import started
from bench.mix import Change, Phone
from bench.observer import Observer, judged, verified
from testbed.ami import AmiClient
from testbed.asterisk import AsteriskInstance
from testbed.kube.server import ApiServer
from testbed.process import Child

_LIMIT_SECONDS = 120


@dataclass
class Door(ABC):
    """A running controller at one of the doors, and its Asterisk."""

    child: Child
    asterisk: AsteriskInstance
    ami: AmiClient

    @abstractmethod
    async def make(self, changes: Iterable[Change]) -> None:
        """Apply all of these, as fast as the door takes them, and wait until each is judged."""

    @abstractmethod
    async def ready(self) -> Mapping[str, bool]:
        """Each Extension by name: whether its status says Ready, of the spec that is there now."""


@dataclass
class Kube(Door):
    """``dialplane operator``."""

    cluster: Cluster
    observer: Observer

    async def make(self, changes: Iterable[Change]) -> None:
        """See `Door.make`."""
        wanted: dict[str, int] = {}

        async def make(change: Change) -> None:
            before, after = change.before, change.after
            if after is None:
                await self._delete(before)
                return
            if before is None:
                await self.cluster.create(after.account, after.extension)
                wanted[site.name(after.index)] = 1
                return
            if before.password != after.password:
                account = after.account
                await self.cluster.patch("Secret", account["metadata"]["name"], {"stringData": account["stringData"]})
            if before.extension != after.extension:
                name = site.name(after.index)
                changed = await self.cluster.patch("Extension", name, {"spec": after.extension["spec"]})
                wanted[name] = changed["metadata"]["generation"]

        await in_flight(make, changes)
        await self.observer.until(wanted, limit_seconds=_LIMIT_SECONDS, what="soak")

    async def ready(self) -> Mapping[str, bool]:
        """See `Door.ready`."""
        items = await self.cluster.items("Extension")
        return {obj["metadata"]["name"]: verified(obj) == obj["metadata"]["generation"] for obj in items}

    async def _delete(self, phone: Phone | None) -> None:
        if phone is not None:
            await self.cluster.delete("Extension", site.name(phone.index))
            await self.cluster.delete("Secret", phone.account["metadata"]["name"])


@dataclass
class Standalone(Door):
    """``dialplane run``."""

    folder: standalone.Folder
    status: standalone.StatusFile
    _gone: set[str] = field(default_factory=set)

    async def make(self, changes: Iterable[Change]) -> None:
        """See `Door.make`."""
        wanted = {}
        for change in changes:
            if change.after is not None:
                name = site.name(change.after.index)
                self.folder.write(name, change.after.extension, change.after.account)
                wanted[name] = change.after.extension["spec"]
            elif change.before is not None:
                self.folder.delete(site.name(change.before.index))
        await self.status.until(wanted, "soak", judged)

    async def ready(self) -> Mapping[str, bool]:
        """See `Door.ready`."""
        return {name: verified(entry) == entry["generation"] for name, entry in self.status.extensions().items()}


@asynccontextmanager
async def kube(size: int, directory: Path, server: ApiServer | None = None) -> AsyncIterator[Kube]:
    """The operator on a site of so many phones, all verified."""
    async with world.start(size, directory, server) as here, started(here, judged) as running:
        yield Kube(running.process.child, here.asterisk, here.ami, here.cluster, running.observer)


@asynccontextmanager
async def folder(size: int, directory: Path) -> AsyncIterator[Standalone]:
    """``dialplane run`` on a site of so many phones, all verified."""
    async with AsteriskInstance(directory / "asterisk") as asterisk, await asterisk.ami() as ami:
        made = await asyncio.to_thread(standalone.folder, directory / "site", size, site.pbx(asterisk))
        async with standalone.running(directory, made, asterisk) as (status, _):
            await status.until({site.name(index): {} for index in range(size)}, "standalone start")
            yield Standalone(status.child, asterisk, ami, made, status)
