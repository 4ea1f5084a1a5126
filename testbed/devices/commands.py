"""The control commands of the simulated devices; :mod:`testbed.devices` lists them."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from testbed.control import Answer, Command
from testbed.devices.behaviour import Behaviour
from testbed.devices.fleet import Fleet


class FleetCommands:
    """What a fleet can be asked."""

    def __init__(self, fleet: Fleet) -> None:
        """Steer `fleet`."""
        self._fleet = fleet

    def commands(self) -> Mapping[str, Command]:
        """By name."""
        return {
            "targets": self.targets,
            "add": self.add,
            "behave": self.behave,
            "connect": self.connect,
            "disconnect": self.disconnect,
            "say": self.say,
            "garbage": self.garbage,
            "counts": self.counts,
            "latency": self.latency,
            "arrivals": self.arrivals,
            "devices": self.devices,
            "forget": self.forget,
        }

    async def targets(self, addresses: Sequence[str], authority: str = "") -> Answer:
        """Name the gateways; with the certificate file of an authority devices speak TLS."""
        around = self._fleet.around
        around.targets = [(host, int(port)) for host, _, port in (each.rpartition(":") for each in addresses)]
        around.tls = await asyncio.to_thread(ssl.create_default_context, cafile=authority) if authority else None
        return {}

    async def add(self, group: str, token: str, names: Sequence[str] = (), count: int = 0, **behaviour: Any) -> Answer:
        """Add devices to a group: `names`, or `count` of them named after the group."""
        made = names or [f"{group}-{number:05}" for number in range(count)]
        self._fleet.add(group, made, token, _behaviour(behaviour))
        return {"devices": len(made)}

    async def behave(self, group: str, **behaviour: Any) -> Answer:
        """Have a group behave so from now on; fields that are not named are as by default."""
        self._fleet.behave(group, _behaviour(behaviour))
        return {}

    async def connect(self, group: str = "", first: int = 0, count: int | None = None, within: float = 0) -> Answer:
        """Connect devices, spread over `within` seconds."""
        self._fleet.connect(self._fleet.of(group, first, count), within=within)
        return {}

    async def disconnect(
        self,
        group: str = "",
        first: int = 0,
        count: int | None = None,
        how: str = "close",
        back_within: float | None = None,
    ) -> Answer:
        """End connections: `close`, `abort` (RST) or `vanish` (a cut cable)."""
        if how not in {"close", "abort", "vanish"}:
            raise ValueError(f"how={how}: it must be close, abort or vanish")
        self._fleet.disconnect(self._fleet.of(group, first, count), how, back_within=back_within)
        return {}

    async def say(
        self,
        group: str,
        first: int = 0,
        count: int | None = None,
        message: dict[str, Any] | None = None,
        text: str = "",
    ) -> Answer:
        """Have devices say a message, or a text as it is."""
        self._fleet.say(self._fleet.of(group, first, count), message, text)
        return {}

    async def garbage(self, group: str, frames: int, seed: int = 1, pause: float = 0.001) -> Answer:
        """Have devices send so many random frames in all."""
        return {"sent": await self._fleet.garbage(self._fleet.of(group), frames, seed, pause)}

    async def counts(self, group: str = "") -> Answer:
        """Return the figures; `open` is of the group."""
        devices = self._fleet.of(group)
        figures = self._fleet.around.records.figures()
        return {
            "devices": len(devices),
            "open": sum(device.open for device in devices),
            "cpu_seconds": time.process_time(),
            **figures,
        }

    async def latency(self) -> Answer:
        """Return how long pongs took."""
        return self._fleet.around.records.latency()

    async def arrivals(self, since: int = 0) -> Answer:
        """Return every command that arrived, from this one on."""
        return {"arrivals": [asdict(each) for each in self._fleet.around.records.arrivals[since:]]}

    async def devices(self, group: str, first: int = 0, count: int | None = None) -> Answer:
        """Return how each device is."""
        return {
            "devices": [
                {"name": device.name, "open": device.open, "closed": device.codes, "refused": device.statuses}
                for device in self._fleet.of(group, first, count)
            ]
        }

    async def forget(self) -> Answer:
        """Begin to count anew."""
        self._fleet.forget()
        return {}


def _behaviour(fields: dict[str, Any]) -> Behaviour:
    lists: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Behaviour(**lists)
