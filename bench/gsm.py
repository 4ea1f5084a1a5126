"""A gateway of GSM modems: a real Asterisk with the rendered dialplan, and the modem peer in front of it."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import SecretStr

from dialplane.asterisk.ami import AmiAddress
from dialplane.plan.dialplan.modems import MESSAGES
from dialplane.plan.planner import Planner
from dialplane.reconcile.template_dir import load
from dialplane.resources.dongle import Driver
from dialplane.resources.manifest import API_VERSION, parse
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import SiteView
from testbed.asterisk import AsteriskInstance, Installation
from testbed.bootstrap import Account
from testbed.modem.peer import ModemPeer

SITE = "gsm"
FILES: Final[Mapping[Driver, str]] = {"chan_dongle": "dongle.conf", "chan_quectel": "quectel.conf"}
Manifest = dict[str, Any]


def manifest(kind: str, name: str, **spec: Any) -> Manifest:
    """One resource; its uid is its name."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "uid": name}, "spec": spec}


def dongle(number: int, **spec: Any) -> Manifest:
    """The Dongle `gsm-NUMBER`, known by its IMEI."""
    return manifest("Dongle", f"gsm-{number}", imei=imei(number), **spec)


def imei(number: int) -> str:
    """The IMEI of a modem, with its check digit."""
    first = f"354000000{number:05}"
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(first))
    return f"{first}{-total % 10}"


def imsi(number: int) -> str:
    """The IMSI of its SIM card."""
    return f"2620000000{number:05}"


def snapshot(manifests: Iterable[Manifest]) -> Snapshot:
    """The site that these make, with an Asterisk."""
    resources = [parse(each) for each in (manifest("Asterisk", "pbx"), *manifests)]
    return Snapshot(SITE, {resource.key: resource for resource in resources})


def rendered(dongles: Iterable[Manifest]) -> dict[str, str]:
    """The files of a site with these Dongles, as Dialplane renders them."""
    files = Planner(load()).plan(snapshot(dongles)).files
    return {name: files[name] for name in ("extensions.conf", *FILES.values()) if name in files}


@dataclass
class Gateway:
    """One that runs."""

    asterisk: AsteriskInstance
    peer: ModemPeer
    dongles: tuple[Manifest, ...]

    @classmethod
    @asynccontextmanager
    async def running(
        cls, directory: Path, dongles: Iterable[Manifest], *, installation: Installation | None = None
    ) -> AsyncIterator[Self]:
        """Start it, with a modem for each Dongle plugged in."""
        given = tuple(dongles)
        async with (
            AsteriskInstance(
                directory / "asterisk", installation=installation, dialplane_files=rendered(given)
            ) as asterisk,
            cls.on(asterisk, directory, given) as gateway,
        ):
            yield gateway

    @classmethod
    @asynccontextmanager
    async def on(
        cls,
        asterisk: AsteriskInstance,
        directory: Path,
        dongles: Iterable[Manifest],
        driver: Driver = "chan_dongle",
    ) -> AsyncIterator[Self]:
        """The same on an Asterisk that runs already and has the `rendered` files of these Dongles."""
        given = tuple(dongles)
        config = asterisk.etc / "dialplane" / FILES[driver]
        async with await ModemPeer.start(directory, asterisk, config, driver=driver) as peer:
            for number in range(len(given)):
                await peer.plug(imei(number), imsi(number))
            yield cls(asterisk, peer, given)

    async def spool(self) -> list[str]:
        """The lines of messages that came in and lie in Asterisk still."""
        async with await self.asterisk.ami(events=False) as ami:
            return [each["Key"] for each in await ami.listed("DBGetTree", "DBGetTreeComplete", Family=MESSAGES)]

    def view(self, *others: Manifest) -> SiteView:
        """What a service is shown: the Dongles and these."""
        seen = snapshot((*self.dongles, *others))
        accepted = frozenset(key for key, resource in seen.resources.items() if resource.spec is not None)
        settings = self.asterisk.settings
        return SiteView(seen, accepted, self._address(settings.controller), self._address(settings.calls))

    def _address(self, account: Account) -> AmiAddress:
        host, port = self.peer.address
        return AmiAddress(host, account.name, SecretStr(account.secret), port)
