"""What a site with modems has around it on this machine: modems that are not there, and somebody who is told.

The modem peer stands between the controller and the real Asterisk, with a modem for every Dongle of the site; each
Notifier's address is led to a receiver of ours that takes everything.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from dialplane.cli.inputs import read_input
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.notifier import NotifierSpec
from dialplane.resources.snapshot import Snapshot
from testbed.asterisk import AsteriskInstance
from testbed.modem.peer import ModemPeer
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK, lease

_PROVIDER = "Example Mobile"


@dataclass(frozen=True)
class Gateway:
    """Everything around one site."""

    modems: ModemPeer
    receiver: PeerProcess
    environment: Mapping[str, str]
    """For the controller."""
    secrets: Mapping[str, Mapping[str, str]]
    """Secrets by name, then key, that lead each Notifier to the receiver: its place is `hook/NAME`."""
    imsis: Mapping[str, str]
    """The SIM card in the modem of each Dongle."""
    control: int
    """The port of loopback at which the modems take commands."""


@asynccontextmanager
async def gateway(site: Path, asterisk: AsteriskInstance, work: Path) -> AsyncIterator[Gateway | None]:
    """Start it, in the folder `work`; None where the site has no modems."""
    snapshot = read_input([str(site)], None).snapshot
    dongles = {resource.key.name: spec for resource, spec in snapshot.of(DongleSpec)}
    if not dongles:
        yield None
        return
    async with AsyncExitStack() as stack:
        port = stack.enter_context(lease()).take()
        driver = next(iter(dongles.values())).driver
        config = asterisk.etc / "dialplane" / f"{driver.removeprefix('chan_')}.conf"
        modems = await stack.enter_async_context(
            await ModemPeer.start(work / "modems", asterisk, config, driver=driver, control=port)
        )
        imsis = {}
        for number, (name, spec) in enumerate(dongles.items(), 1):
            imei, imsis[name] = spec.imei or f"49015420323{number:04}", spec.imsi or f"00101000000{number:04}"
            fields = {"audio": spec.audio_port, "data": spec.data_port} if spec.data_port else {}
            await modems.plug(
                imei, imsis[name], provider=_PROVIDER, number=f"+155501{number:02}", rssi=24 - number, **fields
            )
        receiver = await stack.enter_async_context(
            await PeerProcess.launch("receiver", work / "receiver.log", {"directory": str(work)}, name="receiver")
        )
        calls = asterisk.settings.calls
        environment = {
            "ASTERISK_AMI_PORT": str(modems.address[1]),
            "ASTERISK_AMI_CALLS_USERNAME": calls.name,
            "ASTERISK_AMI_CALLS_PASSWORD": calls.secret,
        }
        yield Gateway(modems, receiver, environment, notifier_secrets(snapshot, receiver), imsis, port)


def notifier_secrets(snapshot: Snapshot, receiver: PeerProcess) -> dict[str, dict[str, str]]:
    """Return Secrets by name, then key, that lead each Notifier of a site to a receiver."""
    secrets: dict[str, dict[str, str]] = {}
    for resource, spec in snapshot.of(NotifierSpec):
        url = f"json://{LOOPBACK}:{receiver.address[1]}/hook/{resource.key.name}"
        secrets.setdefault(spec.url_secret_ref.name, {})[spec.url_secret_ref.key] = url
    return secrets
