"""A site with everything around it: an Asterisk, a controller at one of the doors, a carrier, and phones."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from testbed.ami import AmiClient
from testbed.asterisk import AsteriskInstance
from testbed.kube.namespace import Namespace
from testbed.kube.server import ApiServer
from testbed.manifests import Manifest, manifest
from testbed.name_server import NameServer
from testbed.ports import LOOPBACK
from testbed.sip import Peer
from tests.eventually import eventually
from tests.system.doors import Door, Kube, Standalone
from tests.system.pbx import extension

CARRIER_HOST = "127.0.0.2"
"""Not the phones' address: a trunk that is known by its address would claim their calls."""

_SERIAL = itertools.count(1)

GetServer = Callable[[], ApiServer]


@dataclass
class World:
    """One site, running."""

    directory: Path
    asterisk: AsteriskInstance
    door: Door
    ami: AmiClient
    """Not the controller's: it hears every Reload."""
    carriers: dict[str, Peer] = field(default_factory=dict)
    phones: dict[str, Peer] = field(default_factory=dict)

    @property
    def server(self) -> tuple[str, int]:
        """Where phones and carriers find Asterisk."""
        return LOOPBACK, self.asterisk.sip_port

    @property
    def reloads(self) -> list[str]:
        """The module of every reload that Asterisk told of so far."""
        return [event["Module"] for event in self.ami.events if event.get("Event") == "Reload"]

    async def carrier(
        self, name: str = "carrier", *, username: str = "", password: str = "", lifetime: int = 0
    ) -> Peer:
        """A carrier with one account."""
        peer = await Peer.carrier(self.directory, server=self.server, user=name, host=CARRIER_HOST)
        self.carriers[name] = peer
        await peer.ask("account", username=username or name, password=password or f"secret-of-{name}")
        await peer.ask("lifetime", seconds=lifetime)
        return peer

    async def phone(self, number: str, password: str = "", *, user: str = "", name: str = "") -> Peer:
        """The phone of an extension, made on first use; not registered by itself."""
        key = name or number
        if key not in self.phones:
            self.phones[key] = await Peer.phone(
                self.directory / f"phone-{key}",
                user=user or number,
                password=password or password_of(number),
                server=self.server,
            )
        return self.phones[key]

    async def registered(self, number: str) -> Peer:
        """That phone, registered and answering."""
        phone = await self.phone(number)
        assert (await phone.ask("register"))["code"] == 200
        await phone.ask("answer", code=200, ring_seconds=0.1)
        return phone

    def pbx(self, **spec: Any) -> Manifest:
        """The manifest of this Asterisk."""
        transport = {"name": "udp", "protocol": "udp", "bind": f"{LOOPBACK}:{self.asterisk.sip_port}"}
        rtp = {"portStart": self.asterisk.rtp_start, "portEnd": self.asterisk.rtp_end}
        return manifest("Asterisk", "pbx", **({"transports": [transport], "rtp": rtp} | spec))

    def trunk(self, name: str = "carrier", **spec: Any) -> Manifest:
        """The manifest of a trunk to that carrier, which registers unless `spec` says otherwise."""
        host, port = self.carriers[name].address
        account = {"credentialsSecretRef": {"name": name}, "registration": {"retrySeconds": 10}}
        return manifest("SipTrunk", name, **({"host": host, "port": port} | account | spec))

    async def listen(self) -> None:
        """Hear an Asterisk that was started again."""
        await self.ami.close()
        self.ami = await self.asterisk.ami()

    async def quiet(self) -> None:
        """Return when no channel is left."""
        async with asyncio.timeout(15):
            while await self.asterisk.channels():
                await asyncio.sleep(0.1)

    async def settled(self, seconds: float = 1.5) -> None:
        """Return when no status was written for so long."""
        before: Any = None
        async with asyncio.timeout(30):
            while before != (now := await self.door.writes()):
                before = now
                await asyncio.sleep(seconds)

    async def endpoints(self) -> set[str]:
        """The endpoints that Asterisk has."""
        shown = await self.asterisk.console("pjsip show endpoints")
        return set(re.findall(r"^ Endpoint:  ([\w-]+)", shown, re.MULTILINE)) - {"Endpoint"}

    async def until_endpoints(self, wanted: set[str], *, limit_seconds: float = 30) -> None:
        """Wait until Asterisk has these and no others."""
        found: set[str] = set()
        try:
            async with asyncio.timeout(limit_seconds):
                while (found := await self.endpoints()) != wanted:
                    await asyncio.sleep(0.2)
        except TimeoutError:
            tail = self.door.child.tail(30)
            raise AssertionError(f"{sorted(found)} and not {sorted(wanted)}\n{tail}") from None

    async def until_gone(self, endpoint: str) -> None:
        """Return when Asterisk has no such endpoint."""

        async def shown() -> str:
            return await self.asterisk.console(f"pjsip show endpoint {endpoint}")

        await eventually(shown, holds=lambda text: "Unable to find" in text)

    async def close(self) -> None:
        for peer in (*self.phones.values(), *self.carriers.values()):
            await peer.stop()
        await self.ami.close()
        await self.door.close()


def password_of(number: str) -> str:
    return f"password-of-{number}"


def phones(numbers: Iterable[str], **spec: Any) -> tuple[list[Manifest], dict[str, dict[str, str]]]:
    """Extensions with these numbers, and their Secrets."""
    wanted = tuple(numbers)
    accounts = {f"phone-{n}": {"username": n, "password": password_of(n)} for n in wanted}
    return [extension(n, **spec) for n in wanted], accounts


def example(folder: Path, asterisk: AsteriskInstance) -> tuple[list[Manifest], dict[str, dict[str, str]]]:
    """The manifests and the Secrets of an example as it is, but for where Asterisk listens."""
    found = [m for path in sorted(folder.glob("*.yaml")) for m in YAML(typ="safe").load_all(path.read_text())]
    for each in found:
        if each["kind"] == "Asterisk":
            each["spec"]["transports"][0]["bind"] = f"{LOOPBACK}:{asterisk.sip_port}"
            each["spec"]["rtp"] = {"portStart": asterisk.rtp_start, "portEnd": asterisk.rtp_end}
    secrets = {m["metadata"]["name"]: dict(m["stringData"]) for m in found if m["kind"] == "Secret"}
    return [m for m in found if m["kind"] != "Secret"], secrets


def rings(phone: Peer, after: int) -> list[dict[str, Any]]:
    """The calls that came to the phone since then, by the first event of each."""
    calls = [event for event in phone.events[after:] if event["event"] == "call" and not event["outgoing"]]
    return [event for event in calls if event["state"] == "ringing"]


@asynccontextmanager
async def start(
    kind: str, directory: Path, get_server: GetServer, *, names: NameServer | None = None, **options: Any
) -> AsyncIterator[World]:
    """Start all of it; the controller waits for manifests. Asterisk asks `names` in place of the machine's DNS."""
    installation = names.installation() if names else None
    async with AsteriskInstance(directory / "asterisk", installation=installation) as asterisk:
        if kind == "kube":
            namespace = Namespace(get_server(), f"system-{next(_SERIAL)}")
            door: Door = Kube(directory / "door", asterisk, namespace, **options)
        else:
            door = Standalone(directory / "door", asterisk, **options)
        door.under = names.asked_by() if names else ()
        made = World(directory, asterisk, door, await asterisk.ami())
        try:
            await door.start()
            yield made
        finally:
            await made.close()
