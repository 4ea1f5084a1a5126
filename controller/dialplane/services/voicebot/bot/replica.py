"""The replica: takes calls of bots in an ARI application of its own; implements `contract.Replica`."""

import asyncio
from typing import Any

from dialplane.services.contract import ReplicaContext


class VoiceBotReplica:
    """Serves every bot of a site."""

    def __init__(self, context: ReplicaContext) -> None:
        """See `Replica`."""
        self._context = context

    def observe(self, desired: Any) -> None:
        """See `Replica.observe`."""

    async def run(self) -> None:
        """See `Replica.run`."""
        await asyncio.Event().wait()
