"""The provider peer as tests see it: started, steered and stopped."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from testbed.asterisk import AsteriskInstance
from testbed.infinity.account import Account, written
from testbed.peer import PeerProcess
from testbed.ports import LOOPBACK


class InfinityPeer(PeerProcess):
    """A provider peer; ``url`` is what goes into a manifest as ``apiUrl``.

    Commands without a method of their own go through :meth:`ask`; all are listed in :mod:`testbed.infinity`.
    """

    secure = False

    @classmethod
    async def start(
        cls,
        directory: Path,
        *accounts: Account,
        port: int = 0,
        certificate: Path | None = None,
        rules: Sequence[dict[str, Any]] = (),
        control: int | None = None,
        asterisk: AsteriskInstance | None = None,
        customer: str = "PJSIP/{number}",
    ) -> Self:
        """Start one.

        Args:
            directory: for its log.
            accounts: whom it serves.
            port: where it listens; 0 takes any, give the old one to come back at the same address.
            certificate: a file with a certificate and its key; it answers https then.
            rules: fields of ``behave``, one after the other.
            control: a port of loopback that takes commands, too.
            asterisk: where it really rings; without it calls are pretended.
            customer: the channel of a customer there, with `{number}` in it.
        """
        options = {"listen": f"{LOOPBACK}:{port}", "rules": json.dumps(list(rules))}
        if certificate is not None:
            options["certificate"] = str(certificate)
        if control is not None:
            options["control"] = str(control)
        environment = {"INFINITY_ACCOUNTS": written(accounts)}
        if asterisk is not None:
            options |= {"asterisk": f"{asterisk.settings.host}:{asterisk.settings.ami_port}", "customer": customer}
            calls = asterisk.settings.calls
            environment |= {"INFINITY_AMI_USERNAME": calls.name, "INFINITY_AMI_PASSWORD": calls.secret}
        peer = await cls.launch(
            "infinity", directory / "infinity.log", options, name="infinity", environment=environment
        )
        peer.secure = certificate is not None
        return peer

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http{'s' * self.secure}://{LOOPBACK}:{self.address[1]}/api"

    async def account(self, tenant: str = "", **fields: Any) -> None:
        """Change an account, by default the only one, or add one."""
        await self.ask("account", tenant=tenant, **fields)

    async def behave(self, **fields: Any) -> None:
        """Add a rule; the newest that fits a call counts."""
        await self.ask("behave", **fields)

    async def forget(self) -> None:
        """Be as new, for the next test; accounts stay."""
        await self.ask("forget")
        self.events.clear()

    async def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Everything that was asked."""
        return list((await self.ask("requests", since=since))["requests"])

    async def calls(self) -> list[dict[str, Any]]:
        """Every call that it took."""
        return list((await self.ask("calls"))["calls"])

    async def callbacks(self, since: int = 0) -> list[dict[str, Any]]:
        """Every callback that it made, or tried to."""
        return list((await self.ask("callbacks", since=since))["callbacks"])

    async def counts(self) -> dict[str, int]:
        """Figures of the whole run."""
        return await self.ask("counts")

    async def hang_up(self, memberid: str, direction: str = "customer") -> None:
        """Somebody hangs up."""
        await self.ask("hang_up", memberid=memberid, direction=direction)
