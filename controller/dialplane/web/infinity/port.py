"""What the paths of `/infinity` need of the service that places the calls."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from dialplane.infinity.tenant import Tenant
from dialplane.store.calls import Call


class Infinity(Protocol):
    """Outbound calls of one site. Whatever is not a coroutine is called from the loop's thread and never waits."""

    def tenants(self) -> Mapping[str, Tenant]:
        """Every tenant with a valid manifest, by name, those that take no calls too."""

    def follow(self, call: str) -> AbstractContextManager[asyncio.Queue[Call]]:
        """A call as it is after each change that this process makes, by its id, until the context is left.

        Nothing is told of how it was before; other processes' changes may be missing.
        """
