"""What the paths of `/infinity` need of the service that places the calls."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from dialplane.resources.numbering import Numbering
from dialplane.services.infinity.campaign.progress import Progress
from dialplane.services.infinity.dialer import Asked, Placed
from dialplane.services.infinity.provider import Probe
from dialplane.services.infinity.tables.calls import Call
from dialplane.services.infinity.tables.destinations import DestinationState, Page, Synced
from dialplane.services.infinity.tables.leases import Change
from dialplane.services.infinity.tenant import Tenant


class Calling(Protocol):
    """Places calls."""

    async def make_call(self, tenant: Tenant, asked: Asked, *, wait_seconds: float = 0) -> Placed:
        """Lease an extension and ask the platform; cancelled before it was asked, there is no call."""


class Desk(Protocol):
    """Keeps what becomes of calls."""

    async def change(self, change: Change) -> Call | None:
        """Note what was found out about a call; the call as it is then, None where there is none."""


class Campaigns(Protocol):
    """Lists of people to call."""

    async def progress(self, name: str) -> Progress | None:
        """How far one campaign is; None where there is none."""

    async def all_progress(self) -> tuple[Progress, ...]:
        """How far every campaign is, by name."""

    async def destinations(
        self, name: str, *, limit: int, after: int | None = None, state: DestinationState | None = None
    ) -> Page | None:
        """Whom a campaign calls, in the order of its list; None where there is no such campaign."""

    async def upload(self, name: str, data: bytes) -> Synced:
        """Replace a campaign's list by a file; raises NoSuchCampaignError, NotUploadedError, BadListError."""


class Infinity(Protocol):
    """Outbound calls of one site. Whatever is not a coroutine is called from the loop's thread and never waits."""

    @property
    def calling(self) -> Calling:
        """Places calls."""

    @property
    def desk(self) -> Desk:
        """Keeps what becomes of them."""

    @property
    def campaigns(self) -> Campaigns:
        """Lists of people to call."""

    def tenants(self) -> Mapping[str, Tenant]:
        """Every tenant with a valid manifest, by name, those that take no calls too."""

    def numbering(self, tenant: str | None) -> Numbering | None:
        """How a tenant writes numbers without a country; how the site does, where None is asked for."""

    def follow(self, call: str) -> AbstractContextManager[asyncio.Queue[Call]]:
        """A call as it is after each change that this process makes, by its id, until the context is left.

        Nothing is told of how it was before; other processes' changes may be missing.
        """

    async def test_connection(self, tenant: Tenant) -> Probe:
        """Ask the tenant's platform whether it answers."""
