"""Every way in: where calls from outside, from schedules and from bots are sent to."""

from collections.abc import Iterator

from dialplane.plan.draft import Draft
from dialplane.plan.voice_bots import transfers
from dialplane.resources.destination import Destination
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from dialplane.resources.schedule import ScheduleSpec
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.voice_bot import VoiceBotSpec


def ways(draft: Draft) -> Iterator[tuple[Key, str, Destination]]:
    """Whose it is, the field that says it, and where it leads."""
    for key, trunk in draft.of(SipTrunkSpec):
        for index, route in enumerate(trunk.inbound):
            yield key, f"spec.inbound[{index}].to", route.to
    for key, schedule in draft.of(ScheduleSpec):
        yield key, "spec.whenOpen", schedule.when_open
        yield key, "spec.whenClosed", schedule.when_closed
    for key, modem in draft.of(DongleSpec):
        if modem.inbound is not None:
            yield key, "spec.inbound.to", modem.inbound.to
    for key, bot in draft.of(VoiceBotSpec):
        yield key, "spec.fallback.to", bot.fallback.to.destination
        yield from ((key, field, to) for _, field, to in transfers(bot))
