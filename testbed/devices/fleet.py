"""All simulated devices of a process, in groups that behave alike."""

import asyncio
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from testbed.devices.behaviour import Behaviour
from testbed.devices.connection import Connection
from testbed.devices.device import Device, Surroundings
from testbed.devices.garbage import frames
from testbed.devices.messages import frame, text_frame
from testbed.devices.records import Records
from testbed.devices.wheel import Wheel

Beat = tuple[Device, Connection]


class Fleet:
    """Every device, by group."""

    def __init__(self, seed: int = 1) -> None:
        """`seed` is that of all that happens by chance here."""
        self._wheel: Wheel[Beat] = Wheel(_beat)
        chance = random.Random(seed)  # noqa: S311 -- to be had again, not to be guessed
        self.around = Surroundings(Records(), self._next, chance=chance)
        self._groups: dict[str, list[Device]] = {}
        self._turning = asyncio.create_task(self._wheel.run())

    @property
    def devices(self) -> Iterator[Device]:
        """All of them."""
        return itertools.chain.from_iterable(self._groups.values())

    def add(self, group: str, names: Iterable[str], token: str, behaviour: Behaviour) -> list[Device]:
        """Add devices to a group; `{name}` in the token stands for the name of each."""
        hosts = itertools.cycle(behaviour.hosts or ("",))
        made = [Device(self.around, name, token.replace("{name}", name), behaviour, next(hosts)) for name in names]
        self._groups.setdefault(group, []).extend(made)
        return made

    def behave(self, group: str, behaviour: Behaviour) -> None:
        """Have a group behave so from now on; where it reads nothing, from its next connection on."""
        for device in self.of(group):
            device.behaviour = behaviour

    def of(self, group: str, first: int = 0, count: int | None = None) -> Sequence[Device]:
        """Return the devices of a group, or a part of them in their order; of all groups where it is empty.

        Raises:
            KeyError: there is no such group.
        """
        devices = self._groups[group] if group else list(self.devices)
        return devices[first : None if count is None else first + count]

    def connect(self, devices: Sequence[Device], *, within: float) -> None:
        """Connect them one after the other within so many seconds."""
        for number, device in enumerate(devices):
            device.connect(within * number / len(devices))

    def disconnect(self, devices: Sequence[Device], how: str, *, back_within: float | None) -> None:
        """End their connections; they come back by chance within so many seconds, or stay away (None)."""
        for device in devices:
            device.disconnect(how, None if back_within is None else back_within * self.around.chance.random())

    async def garbage(self, devices: Sequence[Device], count: int, seed: int, pause: float) -> int:
        """Send so many random frames in all, by each device that is connected; return how many went out.

        Devices whose connection was closed for it send on once they are back.
        """
        streams = [frames(seed + number) for number in range(len(devices))]
        sent = 0
        while sent < count:
            for device, stream in zip(devices, streams, strict=True):
                if sent < count and device.open:
                    device.write(next(stream))
                    sent += 1
            await asyncio.sleep(pause)
        return sent

    def say(self, devices: Sequence[Device], fields: dict[str, Any] | None, text: str) -> None:
        """Have each of them say a message, or a text as it is."""
        for device in devices:
            device.write(text_frame(text) if fields is None else frame({"device_id": device.name, **fields}))

    def forget(self) -> None:
        """Begin to count anew."""
        self.around.records = Records()
        for device in self.devices:
            device.codes.clear()
            device.statuses.clear()

    async def stop(self) -> None:
        """End every connection."""
        self._turning.cancel()
        for device in self.devices:
            device.disconnect("abort", None)
        for task in tuple(self.around.tasks):
            task.cancel()
        await asyncio.gather(self._turning, *self.around.tasks, return_exceptions=True)

    def _next(self, device: Device, connection: Connection, seconds: float) -> None:
        self._wheel.add((device, connection), seconds)


def _beat(beat: Beat) -> None:
    device, connection = beat
    device.beat(connection)
