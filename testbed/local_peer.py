"""A phone or a carrier in the test's own process: real SIP and RTP, without a start of Python for each.

It takes the commands of :mod:`testbed.phone` and :mod:`testbed.carrier`. Where the test keeps its own process busy, a
process of its own (:class:`testbed.sip.Peer`) is right.
"""

import secrets
from typing import Any, Self

from testbed.agent import Address, SipAgent
from testbed.carrier import Carrier, CarrierCommands
from testbed.digest import Credentials
from testbed.phone import PhoneCommands
from testbed.ports import LOOPBACK


class LocalPeer:
    """One agent and its commands; ``address`` is where it listens."""

    def __init__(self, agent: SipAgent, commands: PhoneCommands) -> None:
        self._agent = agent
        self._commands = commands.commands()

    @classmethod
    async def phone(
        cls, *, user: str, password: str, server: Address, calls: int = 2, host: str = LOOPBACK, hz: int = 440
    ) -> Self:
        """Open a phone that can have so many calls at a time."""
        credentials, line = Credentials(user, password), secrets.token_hex(4)
        agent = SipAgent(user, credentials, server, hz=hz, report=_heard_by_nobody, line=line)
        await agent.open(host, calls=calls)
        return cls(agent, PhoneCommands(agent))

    @classmethod
    async def carrier(
        cls, *, server: Address, user: str = "carrier", calls: int = 2, host: str = LOOPBACK, hz: int = 660
    ) -> Self:
        """Open a carrier; a ``host`` of its own (127.0.0.2) keeps a trunk known by its address apart from phones."""
        carrier = Carrier(server, user=user, hz=hz, report=_heard_by_nobody)
        await carrier.open(host, calls=calls)
        return cls(carrier, CarrierCommands(carrier))

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._agent.address

    async def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Carry out one command and return its answer."""
        return dict(await self._commands[command](**fields))

    async def stop(self) -> None:
        """Fall silent, without a BYE or an un-REGISTER."""
        await self._agent.close()


def _heard_by_nobody(_event: dict[str, object]) -> None:
    """What a process would write to its test."""
