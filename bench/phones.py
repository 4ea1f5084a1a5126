"""Phones that register again and again, each from a port of its own, as phones on desks do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench import site
from testbed.agent import SipAgent
from testbed.digest import Credentials
from testbed.ports import LOOPBACK, lease

_LIFETIME_SECONDS = 180
_OK = 200


class RefusedError(RuntimeError):
    """Asterisk did not take a registration."""


@dataclass
class Phones:
    """The phones with the first numbers of the site."""

    agents: list[SipAgent]
    registered: int = 0
    """How many REGISTERs were answered with 200 so far."""

    async def keep_registered(self, every_seconds: float) -> None:
        """Register each once in that time, evenly spread, for ever."""
        while True:
            for agent in self.agents:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(asyncio.sleep(every_seconds / len(self.agents)))
                    tasks.create_task(self._register(agent))

    async def register_all(self) -> None:
        """Register each once, a few at a time."""
        for agent in self.agents:
            await self._register(agent)

    async def _register(self, agent: SipAgent) -> None:
        code = await agent.register(expires=_LIFETIME_SECONDS)
        if code != _OK:
            raise RefusedError(f"{agent.user}: REGISTER was answered with {code}")
        self.registered += 1


@asynccontextmanager
async def plugged_in(count: int, server: tuple[str, int]) -> AsyncIterator[Phones]:
    """Phones at that Asterisk, not registered yet; their plugs are pulled at the end."""
    async with AsyncExitStack() as stack:
        ports = stack.enter_context(lease(count))
        agents = []
        for index in range(count):
            account = Credentials(site.number(index), site.password(index))
            agent = SipAgent(account.username, account, server, hz=0, report=lambda _: None)
            await agent.open(LOOPBACK, port=ports.take(), calls=0)
            stack.push_async_callback(agent.close)
            agents.append(agent)
        yield Phones(agents)
