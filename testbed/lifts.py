"""What a site of lifts has around it on this machine: the devices and the cabins' telephones, which are not there.

Each ElevatorDevice with a token of its own is simulated, and connects as soon as a gateway listens. The telephone of
its cabin registers, makes the test call once, and then answers whoever calls. A receiver takes what Notifiers send.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dialplane.cli.inputs import read_input
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.elevator_device import ElevatorDeviceSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.snapshot import Snapshot
from testbed.agent import Address
from testbed.devices.peer import Devices
from testbed.devices.picture import picture
from testbed.gateway import notifier_secrets
from testbed.local_peer import LocalPeer
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK, lease

REGISTER_SECONDS: Final = 60.0
_TRY_SECONDS: Final = 1.0
_ACCEPTED: Final = 200


@dataclass(frozen=True)
class Lifts:
    """Everything around one site."""

    devices: Devices
    listen: str
    """For the controller's `--listen-devices`."""
    secrets: Mapping[str, Mapping[str, str]]
    """Secrets by name, then key, that lead each Notifier to the receiver."""
    control: int
    """The port of loopback at which the devices take commands."""
    names: tuple[str, ...]


@dataclass(frozen=True)
class Cabin:
    """A telephone in a cabin."""

    user: str
    password: str
    test_number: str
    """Empty: it makes no test call."""


@asynccontextmanager
async def lifts(site: Path, work: Path) -> AsyncIterator[Lifts | None]:
    """Start it, with its logs in the folder `work`; None where the site has no devices."""
    snapshot = read_input([str(site)], None).snapshot
    specs = {resource.key.name: spec for resource, spec in snapshot.of(ElevatorDeviceSpec)}
    if not specs:
        yield None
        return
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(lease())
        listen, control = f"{LOOPBACK}:{ports.take()}", ports.take()
        devices = await stack.enter_async_context(await Devices.start(work, listen, control=control))
        for name, spec in specs.items():
            if spec.token_secret_ref is not None:
                token = _value(snapshot, spec.token_secret_ref.name, spec.token_secret_ref.key)
                old = any(command.allow_unacknowledged for command in spec.allowed_commands)
                hello: dict[str, Any] = {} if old else {"hello": ["ack"], "after": 0.5}
                interval = spec.heartbeat.interval_seconds
                await devices.add(name, [name], token=token, interval=interval, picture=picture(), **hello)
                await devices.connect(name)
        receiver = await stack.enter_async_context(
            await PeerProcess.launch("receiver", work / "receiver.log", {"directory": str(work)}, name="receiver")
        )
        telephones = asyncio.create_task(_telephones(snapshot))
        stack.push_async_callback(_ended, telephones)
        secrets = notifier_secrets(snapshot, receiver)
        yield Lifts(devices, listen, secrets, control, tuple(specs))


async def _telephones(snapshot: Snapshot) -> None:
    """Be every cabin's telephone until cancelled."""
    (asterisk,) = (spec for _, spec in snapshot.of(AsteriskSpec))
    bind = next(transport.bind for transport in asterisk.transports if transport.bind)
    host, _, port = bind.rpartition(":")
    async with asyncio.TaskGroup() as running:
        for cabin in cabins(snapshot):
            running.create_task(_telephone(cabin, (host, int(port))))


def cabins(snapshot: Snapshot) -> list[Cabin]:
    """Return the telephones that devices name as theirs."""
    numbers = {spec.number: spec for _, spec in snapshot.of(ExtensionSpec)}
    made = []
    for _, spec in snapshot.of(ElevatorDeviceSpec):
        extension = numbers.get(spec.emergency_extension or "")
        if extension is not None and (account := extension.credentials_secret_ref) is not None:
            user, password = (_value(snapshot, account.name, key) for key in ("username", "password"))
            made.append(Cabin(user, password, spec.test_call.number if spec.test_call else ""))
    return made


async def _telephone(cabin: Cabin, server: Address) -> None:
    telephone = await LocalPeer.phone(user=cabin.user, password=cabin.password, server=server)
    called = not cabin.test_number
    try:
        while True:
            registered = (await telephone.ask("register"))["code"] == _ACCEPTED
            if registered and not called:
                called = (await telephone.ask("call", number=cabin.test_number))["code"] == _ACCEPTED
            await asyncio.sleep(REGISTER_SECONDS if registered and called else _TRY_SECONDS)
    finally:
        await telephone.stop()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    (failed,) = await asyncio.gather(task, return_exceptions=True)
    if not isinstance(failed, asyncio.CancelledError):
        print(f"up: the cabins' telephones ended: {failed!r}", file=sys.stderr)


def _value(snapshot: Snapshot, secret: str, key: str) -> str:
    return snapshot.secrets[secret][key].get_secret_value()
