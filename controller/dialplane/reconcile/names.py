"""Names of trunks that Asterisk does not get through to: looked up here, so that a status can say if DNS is why.

Asterisk itself says the same of a carrier that refuses and of a name that does not exist. The controller's name servers
may be others than Asterisk's, so what is found goes into messages only, never into a verdict.
"""

import asyncio
from collections.abc import Callable, Mapping

from dialplane.asterisk.live import LiveState
from dialplane.logs import log_unexpected
from dialplane.plan.plan import Plan
from dialplane.reconcile.report import UNREACHABLE
from dialplane.reconcile.resolution import Hop, hop_of, resolve
from dialplane.resources.key import Key
from dialplane.resources.sip_trunk import SipTrunkSpec

LIMIT_SECONDS = 5.0
AGAIN_SECONDS = 10.0


class Names:
    """Looks up what was last wanted, now and then; `changed` is called when `failures` says something else."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._wanted: Mapping[Key, Hop] = {}
        self._due = asyncio.Event()
        self.failures: Mapping[Key, str] = {}
        """Why a trunk's name leads nowhere, by trunk."""

    def want(self, hops: Mapping[Key, Hop]) -> None:
        """Look these up from now on, what is new at once."""
        if hops == self._wanted:
            return
        same = {key for key, hop in hops.items() if self._wanted.get(key) == hop}
        self._wanted = hops
        self.failures = {key: failure for key, failure in self.failures.items() if key in same}
        if len(same) < len(hops):
            self._due.set()

    async def run(self) -> None:
        """Look up until cancelled."""
        while True:
            try:
                async with asyncio.timeout(AGAIN_SECONDS if self._wanted else None):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            try:
                await self._look_up(self._wanted)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the site goes on
                log_unexpected("names of trunks could not be looked up", error)

    async def _look_up(self, wanted: Mapping[Key, Hop]) -> None:
        hops = sorted(set(wanted.values()), key=lambda hop: (hop.name, hop.port or 0, hop.kind))
        found = dict(zip(hops, await asyncio.gather(*(resolve(hop, LIMIT_SECONDS) for hop in hops)), strict=True))
        failures = {key: failure for key, hop in wanted.items() if (failure := found[hop].failure)}
        if wanted is self._wanted and failures != self.failures:
            self.failures = failures
            self._changed()


def doubtful(plan: Plan, live: LiveState | None) -> dict[Key, Hop]:
    """The names of the trunks that have not registered, or whose carrier does not answer."""
    found: dict[Key, Hop] = {}
    if live is None or plan.pbx is None:
        return found
    for key, version in plan.versions.items():
        spec = version.resource.spec
        if not isinstance(spec, SipTrunkSpec) or (hop := hop_of(plan.pbx.spec, spec)) is None:
            continue
        registration = live.registrations.get(key.name)
        contacts = live.contacts.get(key.name, ())
        if (registration and registration.state != "Registered") or any(c.status in UNREACHABLE for c in contacts):
            found[key] = hop
    return found
