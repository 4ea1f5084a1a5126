"""``python -m tests.notify.process``: the notify service as a process, to be killed.

Its environment names the STORE, and the URL of the NOTIFIER `a`, which is told of every message received.
"""

import asyncio
import os

from dialplane.services.notify.delivery import Patience
from dialplane.store import Store
from tests.notify.site import NotifyRig, notifier


async def serve(store: Store, url: str) -> None:
    async with NotifyRig(store, Patience(first=0.2, longest=1.0)) as rig:
        rig.serve(notifier("a", events=["sms.received"]), a=url)
        print("ready", flush=True)  # noqa: T201 -- whoever started it waits for that
        await asyncio.Event().wait()


def main(_: list[str]) -> None:
    asyncio.run(serve(Store.open(os.environ["STORE"]), os.environ["NOTIFIER"]))


if __name__ == "__main__":
    main([])
