"""The text message service as a process of its own, to be killed: `python -m bench.sms_process CONFIG`."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import SecretStr

from bench.gsm import Gateway, Manifest, snapshot
from dialplane.asterisk.ami import AmiAddress
from dialplane.services.contract import SiteView
from dialplane.services.sms.service import SmsService
from dialplane.store import Store
from testbed import fork
from testbed.process import Child

_CONFIG: Final = "service.json"


@dataclass
class ServiceProcess:
    """One that can be killed and started again; enter it to start it."""

    directory: Path
    store: str
    """The store's URL."""
    child: Child | None = None

    def configure(self, gateway: Gateway, *messages: Manifest) -> None:
        """What it will serve from its next start on."""
        settings = gateway.asterisk.settings
        host, port = gateway.peer.address
        config = {
            "store": self.store,
            "host": host,
            "port": port,
            "accounts": [[each.name, each.secret] for each in (settings.controller, settings.calls)],
            "manifests": [*gateway.dongles, *messages],
        }
        path = self.directory / _CONFIG
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))

    async def start(self) -> None:
        """Start it."""
        arguments = [str(self.directory / _CONFIG)]
        output, root = self.directory / "service.log", Path(__file__).parent.parent
        self.child = await fork.program("sms service", "bench.sms_process", arguments, output=output, cwd=root)

    async def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        if self.child is not None:
            await self.child.stop(limit_seconds=0)

    def check(self) -> None:
        """Raise StoppedEarlyError, with its last words, if it has ended by itself."""
        if self.child is not None:
            self.child.check()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.child is not None and self.child.running:
            await self.kill()


def view(config: dict[str, Any]) -> SiteView:
    """The site of a configuration."""
    seen = snapshot(config["manifests"])
    main, calls = (
        AmiAddress(config["host"], user, SecretStr(secret), config["port"]) for user, secret in config["accounts"]
    )
    return SiteView(seen, frozenset(key for key, each in seen.resources.items() if each.spec), main, calls)


async def serve(config: dict[str, Any]) -> None:
    """Until killed."""
    service = SmsService(await asyncio.to_thread(Store.open, config["store"]), "gsm", tell=lambda *_: None)
    service.observe(view(config))
    await service.run(lambda: None)


def main(arguments: Sequence[str]) -> None:
    """Read the configuration from the file that is named: it has passwords, which no command line may show."""
    asyncio.run(serve(json.loads(Path(arguments[0]).read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
