"""The service as a site loop would run it, on a gateway with modems."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bench.gsm import SITE, Gateway, Manifest, manifest
from dialplane.resources.conditions import Condition, ConditionType
from dialplane.resources.key import Key
from dialplane.services.contract import ServiceReport
from dialplane.services.sms.service import SmsService, Timing
from dialplane.store import Store
from tests.eventually import eventually

FAST = Timing(lost_grace=1.0, refresh=0.5)


def message(name: str, text: str = "hello", **spec: Any) -> Manifest:
    target = {} if "dongleGroup" in spec else {"dongle": "gsm-0"}
    return manifest("SmsMessage", name, **({"to": "+15550100", "text": text} | target | spec))


class Site:
    """A running service and what it says."""

    def __init__(self, gateway: Gateway, store: Store, timing: Timing = FAST) -> None:
        self.gateway, self.peer, self.store = gateway, gateway.peer, store
        self.messages: dict[str, Manifest] = {}
        self.notices: list[tuple[Key, str, str]] = []
        self.changes = 0
        self.service = SmsService(store, SITE, tell=lambda *told: self.notices.append(told), timing=timing)
        self._news = asyncio.Event()

    def changed(self) -> None:
        self.changes += 1
        self._news.set()

    def send(self, *messages: Manifest) -> None:
        self.messages |= {each["metadata"]["name"]: each for each in messages}
        self.show()

    def withdraw(self, name: str) -> None:
        del self.messages[name]
        self.show()

    def show(self) -> None:
        self.service.observe(self.gateway.view(*self.messages.values()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        task = asyncio.create_task(self.service.run(self.changed))
        self.show()
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def said(self, kind: str, name: str) -> ServiceReport | None:
        return self.service.reports().get(Key(kind, name))

    def fields(self, kind: str, name: str) -> dict[str, Any]:
        said = self.said(kind, name)
        return dict(said.fields) if said else {}

    def condition(self, kind: str, name: str, which: ConditionType) -> Condition | None:
        said = self.said(kind, name)
        return next((c for c in said.conditions if c.type == which), None) if said else None

    def phase(self, name: str) -> str | None:
        return self.fields("SmsMessage", name).get("phase")

    def phases(self) -> list[str | None]:
        return [self.phase(name) for name in self.messages]

    def online(self, name: str = "gsm-0") -> tuple[str, str] | None:
        found = self.condition("Dongle", name, ConditionType.ONLINE)
        return (str(found.status), str(found.reason)) if found else None

    def ready(self, name: str) -> tuple[str, str] | None:
        found = self.condition("SmsMessage", name, ConditionType.READY)
        return (str(found.status), str(found.reason)) if found else None

    async def until(self, holds: Callable[[], bool], *, within: float = 10.0) -> float:
        """Seconds until that was so."""
        began = time.monotonic()
        await eventually(holds, within, why=lambda: dict(self.service.reports()))
        return time.monotonic() - began

    async def looks(self, times: int) -> None:
        """Have the modems looked at again, so often, instead of every few seconds."""
        modems = self.service._modems
        for _ in range(times):
            seen = modems.fleet
            modems.again.set()
            await self.until(lambda seen=seen: modems.fleet is not seen)  # type: ignore[misc]

    async def is_online(self, *names: str, within: float = 10.0) -> None:
        wanted = names or [each["metadata"]["name"] for each in self.gateway.dongles]
        await self.until(lambda: all(self.online(name) == ("True", "Online") for name in wanted), within=within)
