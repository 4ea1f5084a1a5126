"""``python -m tests.infinity.campaign_process``: campaigns as a process that leads, to be killed.

Its environment names the STORE and the API of the platform; the campaign is that of `CAMPAIGN`.
"""

import asyncio
import os

from dialplane.store import Store
from tests.infinity.campaign_site import CampaignSite, campaign, tenant

PEOPLE = 24
CAMPAIGN = campaign(people=PEOPLE, agents=5)


async def serve(store: Store, url: str) -> None:
    site = CampaignSite(store)
    async with site.running():
        await site.show(tenant(url), CAMPAIGN)
        print("ready", flush=True)  # noqa: T201 -- whoever started it waits for that
        await asyncio.Event().wait()


def main(_: list[str]) -> None:
    asyncio.run(serve(Store.open(os.environ["STORE"]), os.environ["PLATFORM"]))


if __name__ == "__main__":
    main([])
