"""The notify service with a site around it, which a test changes as a user would."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import SecretStr

from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.problem import Reason
from dialplane.resources.snapshot import Snapshot
from dialplane.services.contract import ServiceReport, SiteView
from dialplane.services.notify.delivery import Patience
from dialplane.services.notify.service import NotifyService
from dialplane.services.notify.tables import deliveries
from dialplane.services.notify.tables.deliveries import Told
from dialplane.store import Store, events
from dialplane.store.events import NewEvent
from tests.eventually import eventually

SITE = "office"


def notifier(name: str, *, uid: str = "", **spec: Any) -> Resource:
    """A Notifier whose URL is in the Secret of its name."""
    return parse(
        {
            "apiVersion": "dialplane.io/v1alpha1",
            "kind": "Notifier",
            "metadata": {"name": name, "uid": uid or f"uid-{name}", "generation": 1},
            "spec": {"urlSecretRef": {"name": name, "key": "url"}, **spec},
        }
    )


def view(*resources: Resource, **urls: str) -> SiteView:
    keyed = {resource.key: resource for resource in resources}
    secrets = {name: {"url": SecretStr(url)} for name, url in urls.items()}
    return SiteView(Snapshot(SITE, keyed, secrets), frozenset(keyed))


def sms(text: str = "hello", sender: str = "+15550100", dongle: str = "gsm1", **more: Any) -> NewEvent:
    data = {"sender": sender, "text": text, "dongle": dongle, "truncated": False, **more}
    return NewEvent(SITE, "sms.received", "Dongle", dongle, datetime.now(UTC), data)


def unregistered(trunk: str = "carrier", **data: Any) -> NewEvent:
    return NewEvent(SITE, "trunk.unregistered", "SipTrunk", trunk, datetime.now(UTC), data)


def trunk_report(status: Truth, name: str = "carrier") -> dict[Key, Report]:
    key = Key("SipTrunk", name)
    reason = Reason.REGISTERED if status is Truth.TRUE else Reason.REGISTRATION_REJECTED
    condition = Condition(ConditionType.REGISTERED, status, reason, "the carrier refuses")
    return {key: Report(key, "uid", 1, (condition,))}


class NotifyRig:
    """`async with` runs a service until the end."""

    def __init__(self, store: Store, patience: Patience) -> None:
        self.store = store
        self.service = NotifyService(store, patience)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.service.run(lambda: None))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def serve(self, *resources: Resource, **urls: str) -> None:
        self.service.observe(view(*resources, **urls))

    async def happens(self, *told: NewEvent) -> None:
        await self.store.call(events.record, told)
        self.service.wake()

    async def kept(self) -> tuple[Told, ...]:
        """Every notification, the oldest first."""
        return (await self.store.call(deliveries.page, SITE, limit=5000)).items[::-1]

    async def states(self) -> list[str]:
        return [told.delivery.state for told in await self.kept()]

    def said(self, name: str) -> ServiceReport:
        return self.service.reports()[Key("Notifier", name)]

    def ready(self, name: str) -> tuple[str, str, str]:
        condition = self.said(name).conditions[0]
        return str(condition.status), str(condition.reason), condition.message

    async def until(self, holds: Callable[[Self], bool], limit_seconds: float = 15) -> None:
        await eventually(lambda: holds(self), limit_seconds)

    async def until_states(self, *wanted: str, limit_seconds: float = 15) -> None:
        await eventually(self.states, limit_seconds, holds=lambda states: states == [*wanted])
