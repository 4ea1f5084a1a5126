"""Asks the platforms of the tenants whether they answer, all at once: one that hangs holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from dialplane.resources.conditions import Condition
from dialplane.services.infinity.provider import Probe
from dialplane.services.infinity.reachability import Reachable, Standing
from dialplane.services.infinity.tenant import Tenant

LOOK_SECONDS: Final = 60.0
"""Between two looks at who is due, where nobody is."""


class Prober:
    """Probes of one site. From the loop's thread alone."""

    def __init__(
        self,
        probe: Callable[[Tenant], Awaitable[Probe]],
        *,
        tell: Callable[[str, str, str], None],
        changed: Callable[[], None],
    ) -> None:
        """Ask by `probe`, which has a time limit; `tell` gets tenant, reason and message of each change."""
        self._probe = probe
        self._tell = tell
        self._changed = changed
        self._reachable = Reachable()
        self._woken = asyncio.Event()

    def want(self, tenants: Iterable[Tenant]) -> None:
        """Look after these from now on."""
        self._reachable.want(tenants)
        self._woken.set()

    def condition(self, tenant: str) -> Condition | None:
        """`Reachable` of a tenant that is looked after; None of others."""
        standing = self._reachable.of(tenant)
        return standing.condition if standing else None

    def called(self, tenant: Tenant, *, answers: bool) -> None:
        """A call was answered by the platform, or failed."""
        now = asyncio.get_running_loop().time()
        if answers:
            self._heard(self._reachable.answered(tenant, now))
        else:
            self._reachable.doubted(tenant, now)
            self._woken.set()

    async def ask(self, tenant: Tenant) -> Probe:
        """Ask now."""
        found = await self._probe(tenant)
        now = asyncio.get_running_loop().time()
        self._heard(self._reachable.asked(tenant, now, answers=found.answers, detail=found.detail))
        return found

    async def run(self) -> None:
        """Ask whoever is due, until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                for tenant in self._reachable.due(loop.time()):
                    tasks.create_task(self._ask(tenant), name="probe")
                wait = min(self._reachable.next_at() - loop.time(), LOOK_SECONDS)
                try:
                    async with asyncio.timeout(max(wait, 0.0)):
                        await self._woken.wait()
                except TimeoutError:
                    continue

    async def _ask(self, tenant: Tenant) -> None:
        try:
            await self.ask(tenant)
        finally:
            self._reachable.left(tenant)
            self._woken.set()

    def _heard(self, changed: Standing | None) -> None:
        if changed is None:
            return
        name = changed.tenant.name
        if changed.state == "unreachable":
            self._tell(name, "ProviderUnreachable", changed.detail)
        elif changed.before == "unreachable":
            self._tell(name, "ProviderReachable", "the platform answers again")
        self._changed()
