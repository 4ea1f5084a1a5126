"""A site of devices as a whole: an Asterisk, ``dialplane run`` as its leader, and gateways as processes of their own.

The devices themselves are :mod:`testbed.devices`; each has the token `TOKEN`. All processes share one database.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from testbed import fork
from testbed.asterisk import AsteriskInstance
from testbed.back_end import BackEnd
from testbed.controller import start_controller
from testbed.manifests import Manifest, manifest, secret
from testbed.ports import LOOPBACK, lease
from testbed.process import Child

NAMESPACE: Final = "default"
GROUP: Final = "lift"
TOKEN: Final = "token-of-{name}-in-the-test-bed"  # noqa: S105 -- nobody's
PHYSICAL: Final = "REBOOT"
SAFE: Final = "STATUS"
"""The commands that every device may be sent."""
_TOKENS_EACH: Final = 500
"""Tokens in one Secret."""
_MANIFESTS_EACH: Final = 2_000
"""Manifests in one file, which may have 2 MiB."""
_LIMIT_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.05


def device_name(index: int) -> str:
    """Return the name of a device, as the simulator names it."""
    return f"{GROUP}-{index:05}"


def devices(count: int, *, back_end: str = "", **spec: Any) -> list[Manifest]:
    """Return so many ElevatorDevices with the Secrets of their tokens; `spec` has further fields of each."""
    names = [device_name(index) for index in range(count)]
    made = []
    for first in range(0, count, _TOKENS_EACH):
        some, name = names[first : first + _TOKENS_EACH], f"tokens-{first // _TOKENS_EACH}"
        made.append(secret(name, **{each: TOKEN.replace("{name}", each) for each in some}))
        made += [_device(each, name, back_end, spec) for each in some]
    return made


def _device(name: str, tokens: str, back_end: str, spec: Mapping[str, Any]) -> Manifest:
    usual: Manifest = {
        "location": f"Building {name}",
        "tokenSecretRef": {"name": tokens, "key": name},
        "allowedCommands": [{"name": PHYSICAL, "kind": "physical"}, {"name": SAFE, "kind": "safe"}],
    }
    if back_end:
        usual["callback"] = {"statusUrl": f"{back_end}/status"}
    return manifest("ElevatorDevice", name, **(usual | dict(spec)))


@dataclass
class DeviceGateway:
    """One ``dialplane gateway``, which can be killed and started again at the same address."""

    name: str
    directory: Path
    port: int
    metrics_port: int
    options: Sequence[str] = ()
    child: Child | None = None

    @property
    def address(self) -> str:
        """Where devices connect."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            RuntimeError: it does not run.
        """
        if self.child is None:
            raise RuntimeError(f"{self.name} does not run")
        return self.child.pid

    @property
    def log(self) -> Path:
        """What it wrote, over all of its starts."""
        return self.directory / f"{self.name}.log"

    async def start(self) -> None:
        """Start it, and wait until it listens, which it does once it has devices to serve."""
        words = [
            *("gateway", "--namespace", NAMESPACE, "--store-url-file", str(self.directory / "store-url")),
            *("--metrics-address", f"{LOOPBACK}:{self.metrics_port}", "--listen", self.address, *self.options),
        ]
        self.child = await fork.program(self.name, "dialplane.cli", words, output=self.log, cwd=self.directory)
        await _until(self._listens, self.child)

    async def stop(self) -> None:
        """End it by SIGTERM."""
        if self.child is not None:
            await self.child.stop()
            self.child = None

    async def kill(self) -> None:
        """End it by SIGKILL."""
        if self.child is not None:
            await self.child.stop(limit_seconds=0)
            self.child = None

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        return True


@dataclass
class DeviceSite:
    """One that serves."""

    directory: Path
    leader: Child
    gateways: list[DeviceGateway]
    own_address: str
    """Where devices connect to the leader's own gateway, in the process of the API."""
    url: str
    """Of the API."""
    token: str
    """Everything may be done with it."""
    store_url: str
    """Of the database."""
    back_end: BackEnd
    client: httpx.AsyncClient = field(repr=False)

    @property
    def addresses(self) -> list[str]:
        """Where the gateways of their own listen."""
        return [gateway.address for gateway in self.gateways]

    @property
    def logs(self) -> str:
        """Everything that all processes wrote."""
        files = [self.directory / "run.log", *(gateway.log for gateway in self.gateways)]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def statuses(self) -> dict[str, Manifest]:
        """Return what is reported of each device."""
        entries = json.loads((self.directory / "state" / "status.json").read_bytes())["resources"]
        kind = "ElevatorDevice/"
        return {key.removeprefix(kind): entry for key, entry in entries.items() if key.startswith(kind)}

    async def post(self, path: str, body: Any) -> httpx.Response:
        """Ask the API."""
        return await self.client.post(f"{self.url}{path}", json=body)

    async def get(self, path: str) -> Any:
        """Ask the API; its answer, which must be a good one."""
        answer = await self.client.get(f"{self.url}{path}")
        return answer.raise_for_status().json()

    async def command(
        self, names: Sequence[str], command: str, *, seconds: float = 30, data: Any = None
    ) -> dict[str, str]:
        """Send a command to each of these devices by one request; the ids of those that were taken, by device."""
        asked = {"device_ids": list(names), "name": command, "data": data or {}, "deadline_seconds": seconds}
        answer = await self.post("/api/v1/devices/commands", asked)
        items = answer.raise_for_status().json()["items"]
        return {item["device_id"]: item["id"] for item in items if item["id"] is not None}


@asynccontextmanager
async def device_site(
    directory: Path,
    store_url: str,
    count: int,
    *,
    gateways: int = 1,
    callbacks: bool = True,
    options: Sequence[str] = (),
    extra: Sequence[Manifest] = (),
    **spec: Any,
) -> AsyncIterator[DeviceSite]:
    """Run a site of so many devices in an empty directory, until all of it serves.

    Args:
        directory: for everything.
        store_url: an empty database, which several processes can use.
        count: of devices.
        callbacks: whether a program is told when a device goes online or offline.
        gateways: of processes beside the leader, which has one in its own.
        options: of each of them, such as those for TLS.
        extra: further manifests.
        spec: further fields of each device.
    """
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(AsteriskInstance(directory / "asterisk"))
        back_end = stack.enter_context(BackEnd().listening())
        ports = stack.enter_context(lease())
        await asyncio.to_thread(
            _write, directory, asterisk, store_url, count, back_end.url if callbacks else "", extra, spec
        )
        own = f"{LOOPBACK}:{ports.take()}"
        words = ["run", "-f", str(directory / "site"), "--state-dir", str(directory / "state"), "--plain"]
        words += ["--store-url-file", str(directory / "store-url"), "--listen-devices", own]
        log = directory / "run.log"
        leader = await start_controller(words, asterisk, output=log, metrics_port=ports.take())
        stack.push_async_callback(leader.stop)
        made = [
            DeviceGateway(f"gateway-{number}", directory, ports.take(), ports.take(), options)
            for number in range(gateways)
        ]
        for gateway in made:
            stack.push_async_callback(gateway.stop)
        state = directory / "state"
        try:
            await _until((state / "api-url").exists, leader)
            await asyncio.gather(*(gateway.start() for gateway in made))
            token = (state / "api-tokens" / "local").read_text().strip()
            headers = {"Authorization": f"Bearer {token}"}
            client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=60, trust_env=False))
            url = (state / "api-url").read_text().strip()
            site = DeviceSite(directory, leader, made, own, url, token, store_url, back_end, client)
            await _until(lambda: _ready(site, count), leader, look_seconds=_LOOK_SECONDS + count / 10_000)
            yield site
        except BaseException as error:
            error.add_note(f"the leader wrote:\n{leader.tail(30)}")
            for gateway in made:
                if gateway.log.exists():
                    error.add_note(f"{gateway.name} wrote:\n{gateway.log.read_text(errors='replace')[-3000:]}")
            raise


def _ready(site: DeviceSite, count: int) -> bool:
    with contextlib.suppress(OSError, ValueError, KeyError):
        return sum(_is_ready(entry) for entry in site.statuses().values()) == count
    return False


def _is_ready(entry: Manifest) -> bool:
    conditions = entry.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def _until(holds: Callable[[], Any], child: Child, *, look_seconds: float = _LOOK_SECONDS) -> None:
    async with asyncio.timeout(_LIMIT_SECONDS):
        while not (await seen if asyncio.iscoroutine(seen := holds()) else seen):
            child.check()
            await asyncio.sleep(look_seconds)


def _write(
    directory: Path,
    asterisk: AsteriskInstance,
    store_url: str,
    count: int,
    back_end: str,
    extra: Sequence[Manifest],
    spec: Mapping[str, Any],
) -> None:
    file = directory / "store-url"
    file.touch(mode=0o600)
    file.write_text(store_url)
    transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{asterisk.sip_port}"}
    rtp = {"portStart": asterisk.rtp_start, "portEnd": asterisk.rtp_end}
    pbx = manifest("Asterisk", "pbx", transports=[transport], rtp=rtp)
    made = [pbx, *extra, *devices(count, back_end=back_end, **spec)]
    (directory / "site").mkdir()
    for first in range(0, len(made), _MANIFESTS_EACH):
        file = directory / "site" / f"site-{first:05}.yaml"
        some = made[first : first + _MANIFESTS_EACH]
        file.write_text(yaml.dump_all(some, Dumper=yaml.CSafeDumper, sort_keys=False))
