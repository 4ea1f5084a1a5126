"""The simulated devices as tests see them: a process, started, steered and stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from testbed.peer import PeerProcess


class Devices(PeerProcess):
    """A process of devices.

    Commands without a method of their own go through :meth:`ask`; all are listed in :mod:`testbed.devices`.
    """

    @classmethod
    async def start(cls, directory: Path, *targets: str, authority: Path | None = None, control: int = 0) -> Self:
        """Start it, without a device.

        Args:
            directory: for its log.
            targets: where gateways listen, `HOST:PORT`.
            authority: the certificate that vouches for them: devices speak TLS then.
            control: a port of loopback that takes commands, too.
        """
        options = {"control": str(control)} if control else {}
        peer = await cls.launch("devices", directory / "devices.log", options, name="devices")
        await peer.targets(*targets, authority=authority)
        return peer

    @property
    def pid(self) -> int:
        """Its process id: what it takes itself is measured apart."""
        return self._process.pid

    async def targets(self, *addresses: str, authority: Path | None = None) -> None:
        """Lead later connections to these gateways, in turn by chance."""
        await self.ask("targets", addresses=list(addresses), authority=str(authority or ""))

    async def add(self, group: str, names: Sequence[str] = (), *, token: str, count: int = 0, **behaviour: Any) -> None:
        """Add devices; they do not connect yet."""
        await self.ask("add", group=group, names=list(names), token=token, count=count, **behaviour)

    async def connect(self, group: str = "", *, within: float = 0, **part: int) -> None:
        """Connect devices within so many seconds; returns at once."""
        await self.ask("connect", group=group, within=within, **part)

    async def disconnect(
        self, group: str = "", *, how: str = "close", back_within: float | None = None, **part: int
    ) -> None:
        """End connections; devices come back within so many seconds, or stay away."""
        await self.ask("disconnect", group=group, how=how, back_within=back_within, **part)

    async def say(self, group: str, message: dict[str, Any] | None = None, *, text: str = "", **part: int) -> None:
        """Have devices say something."""
        await self.ask("say", group=group, message=message, text=text, **part)

    async def counts(self, group: str = "") -> dict[str, Any]:
        """Return the figures since the start, or since they were forgotten."""
        return await self.ask("counts", group=group)

    async def latency(self) -> dict[str, float]:
        """Return `p50` and `p99` of the seconds that pongs took."""
        return await self.ask("latency")

    async def arrivals(self, since: int = 0) -> list[dict[str, Any]]:
        """Return every command that arrived, from this one on."""
        return list((await self.ask("arrivals", since=since))["arrivals"])

    async def devices(self, group: str, **part: int) -> list[dict[str, Any]]:
        """Return how each device is."""
        return list((await self.ask("devices", group=group, **part))["devices"])

    async def forget(self) -> None:
        """Count anew."""
        await self.ask("forget")
