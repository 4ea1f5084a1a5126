"""The leader's half of the service of bots."""

from collections.abc import Callable, Mapping

from dialplane.resources.conditions import Report
from dialplane.resources.key import Key
from dialplane.services.contract import Context, ServiceReport, SiteView
from dialplane.services.voicebot.leader.housekeeping import CallKeeper


class VoiceBotService:
    """Implements `Service`."""

    def __init__(self, context: Context) -> None:
        """Start for one term."""
        self._context = context
        self.keeper = CallKeeper(context)
        """The calls of the bots."""

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self.keeper.observe(view)

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`."""

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        return {}

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`."""
        del changed
        await self.keeper.run()
