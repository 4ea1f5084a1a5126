"""The campaigns of one site: one task for all of them, in the process that leads."""

from collections.abc import Callable, Mapping

from dialplane.infinity.campaign.destination_list import BadListError
from dialplane.infinity.campaign.progress import Progress
from dialplane.infinity.tenant import Tenant
from dialplane.resources.key import Key
from dialplane.service import Said, SiteView
from dialplane.store.calls import Call
from dialplane.store.destinations import DestinationState, Page, Synced

__all__ = ["BadListError", "Campaigns", "NoSuchCampaignError", "NotUploadedError"]


class NoSuchCampaignError(Exception):
    """The site has no such Campaign with a valid manifest."""


class NotUploadedError(Exception):
    """The Campaign's list comes from its manifest: `destinations.upload: true` lets it be uploaded."""


class Campaigns:
    """Calls whom the Campaigns of a site name."""

    def see(self, view: SiteView, tenants: Mapping[str, Tenant]) -> None:
        """Work on this view from now on; from the loop's thread, never waits."""

    def told(self, call: Call) -> None:
        """A call changed its state: told of every call, on the loop; never waits."""

    def said(self) -> Mapping[Key, Said]:
        """What is known of each Campaign: conditions and fields of its status."""

    async def run(self, changed: Callable[[], None]) -> None:
        """Call until cancelled; `changed` is called when `said` says something new."""

    async def upload(self, name: str, text: str) -> Synced:
        """Replace a campaign's list with this CSV, all of it or nothing.

        Raises:
            NoSuchCampaignError: there is none.
            NotUploadedError: its list comes from elsewhere.
            BadListError: the CSV cannot be read; `lines` says what is wrong where.
            StoreError: it is not kept.
        """

    async def progress(self, name: str) -> Progress | None:
        """How far one campaign is; None where there is none."""

    async def all_progress(self) -> tuple[Progress, ...]:
        """How far every campaign is, by name."""

    async def destinations(
        self, name: str, *, limit: int, after: int | None = None, state: DestinationState | None = None
    ) -> Page | None:
        """Whom a campaign calls, in the order of its list; None where there is no such campaign."""
