"""The modem peer as tests see it: started, steered and stopped."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from testbed.asterisk import AsteriskInstance
from testbed.bootstrap import Account
from testbed.modem.names import DRIVERS
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK


class ModemPeer(PeerProcess):
    """A modem peer in front of one Asterisk; ``address`` is where controllers find AMI.

    Commands without a method of their own go through :meth:`ask`; all are listed in :mod:`testbed.modem`.
    """

    @classmethod
    async def start(
        cls,
        directory: Path,
        asterisk: AsteriskInstance,
        config: Path | None = None,
        *,
        driver: str = "chan_dongle",
        port: int = 0,
        rights: Mapping[str, str] | None = None,
        control: int | None = None,
    ) -> Self:
        """Start one.

        Args:
            directory: for its log.
            asterisk: need not run yet, and may restart.
            config: the driver's file, by default the Asterisk's own; need not be there yet.
            driver: ``chan_dongle`` or ``chan_quectel``.
            port: where it listens; 0 takes any, give the old one to come back at the same address.
            rights: user -> classes that it reads, joined by commas.
            control: a port of loopback that takes commands, too.
        """
        options = {
            "listen": f"{LOOPBACK}:{port}",
            "asterisk": f"{asterisk.settings.host}:{asterisk.settings.ami_port}",
            "ari": asterisk.ari_url,
            "config": str(config or asterisk.etc / DRIVERS[driver].file),
            "driver": driver,
        }
        if control is not None:
            options["control"] = str(control)
        if rights:
            options["rights"] = ";".join(f"{user}={classes}" for user, classes in rights.items())
        return await cls.launch(
            "modem", directory / f"{driver}.log", options, name=driver, environment=environment(asterisk.settings.ari)
        )

    async def plug(self, imei: str, imsi: str, **fields: Any) -> str | None:
        """Put a modem in; the device that took it."""
        device = (await self.ask("plug", imei=imei, imsi=imsi, **fields))["device"]
        return None if device is None else str(device)

    async def unplug(self, imei: str) -> None:
        """Take it out."""
        await self.ask("unplug", imei=imei)

    async def deliver(self, device: str, sender: str, text: str | bytes, **fields: Any) -> None:
        """A message comes in for the modem of this device."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        if "repeat" in fields and isinstance(text, str):
            fields["text"] = text
        else:
            fields["base64"] = base64.b64encode(raw).decode()
        await self.ask("deliver", device=device, sender=sender, **fields)

    async def sent(self, since: int = 0) -> list[dict[str, Any]]:
        """Every message that was accepted."""
        return list((await self.ask("sent", since=since))["sent"])

    async def counts(self) -> dict[str, Any]:
        """Figures of the whole run."""
        return await self.ask("counts")

    async def drop(self, **fields: Any) -> None:
        """Cut all lines."""
        await self.ask("drop", **fields)


def environment(ari: Account) -> dict[str, str]:
    """What the process must find in its environment."""
    return {"MODEM_ARI_USERNAME": ari.name, "MODEM_ARI_PASSWORD": ari.secret}
