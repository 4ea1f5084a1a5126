"""What a test may ask of the peer; the table of commands stands in :mod:`testbed.infinity`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from testbed.control import Answer, Command
from testbed.infinity.account import made
from testbed.infinity.callbacks import Callbacks
from testbed.infinity.platform import Platform
from testbed.infinity.wire import Probing, Wire


class PlatformCommands:
    """The commands and the parts they steer."""

    def __init__(self, platform: Platform, callbacks: Callbacks, wire: Wire, address: tuple[str, int]) -> None:
        self._platform, self._callbacks, self._wire, self._address = platform, callbacks, wire, address

    def commands(self) -> Mapping[str, Command]:
        """Command name -> coroutine."""
        return {
            "account": self.account,
            "behave": self.behave,
            "forget": self.forget,
            "probe": self.probe,
            "listening": self.listening,
            "cut": self.cut,
            "hang_up": self.hang_up,
            "call_back": self.call_back,
            "requests": self.requests,
            "calls": self.calls,
            "callbacks": self.callbacks,
            "counts": self.counts,
        }

    async def account(self, tenant: str = "", **fields: Any) -> Answer:
        """Change or add one."""
        accounts = self._platform.accounts
        if not tenant and len(accounts) != 1:
            raise ValueError(f"which tenant? there are {sorted(accounts)}")
        tenant = tenant or next(iter(accounts))
        known = asdict(accounts[tenant]) if tenant in accounts else {"tenant": tenant}
        accounts[tenant] = made(**{**known, **fields})
        return {}

    async def behave(self, **fields: Any) -> Answer:
        """Add a rule."""
        self._platform.scripts.behave(**fields)
        return {}

    async def forget(self) -> Answer:
        """Be as new."""
        await self._platform.forget()
        self._callbacks.told.clear()
        self._wire.probing, self._wire.cut = Probing(), 0
        return {}

    async def probe(self, code: int = 200, after: float = 0.0) -> Answer:
        """What a GET is answered."""
        self._wire.probing = Probing(code, after)
        return {}

    async def listening(self, on: bool) -> Answer:
        """Whether anybody is there."""
        await self._wire.close()
        if on:
            await self._wire.open(*self._address)
        return {}

    async def cut(self, connections: int = 1) -> Answer:
        """Close the next ones."""
        self._wire.cut = connections
        return {}

    async def hang_up(self, memberid: str, direction: str = "customer") -> Answer:
        """Somebody hangs up."""
        await self._platform.hang_up(self._platform.find(memberid), direction)
        return {}

    async def call_back(self, memberid: str, tells: str = "ended", **changes: Any) -> Answer:
        """Tell of it now."""
        return {"code": await self._platform.call_back(self._platform.find(memberid), tells, **changes)}

    async def requests(self, since: int = 0) -> Answer:
        """What was asked."""
        return {"requests": self._platform.requests[since:]}

    async def calls(self) -> Answer:
        """What was taken."""
        return {"calls": [call.report() for call in self._platform.calls]}

    async def callbacks(self, since: int = 0) -> Answer:
        """What was told."""
        return {"callbacks": self._callbacks.told[since:]}

    async def counts(self) -> Answer:
        """Figures of the whole run."""
        kept = (
            "connections",
            "requests",
            "probes",
            "taken",
            "refused",
            "ended",
            "asked_twice",
            "collisions",
            "most_live",
        )
        counts = {name: self._platform.counts[name] for name in kept}
        return {**counts, "live": self._platform.live, "callbacks": len(self._callbacks.told)}
