"""Campaigns: over which tenant, or which of the site's own trunks, and who speaks in their calls."""

from collections.abc import Iterator
from typing import Final

from dialplane.plan.draft import Draft, Finding
from dialplane.resources.campaign import CampaignBot, CampaignSpec
from dialplane.resources.fields import Permission
from dialplane.resources.infinity_tenant import InfinityTenantSpec
from dialplane.resources.numbering import identity
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.voice_bot import VoiceBotSpec

_BOT: Final = "spec.voiceBot"


def campaign_tenants(draft: Draft) -> Iterator[Finding]:
    """The tenant of a campaign is served."""
    served = {key.name for key, _ in draft.of(InfinityTenantSpec)}
    for key, spec in draft.of(CampaignSpec):
        if spec.tenant is not None and spec.tenant not in served:
            message = f"no InfinityTenant {spec.tenant!r} is served"
            yield key, Problem(Reason.REFERENCE_MISSING, message, "spec.tenant")


def campaign_bots(draft: Draft) -> Iterator[Finding]:
    """The bot of a campaign is served, and calls get to it: from the platform by a number, or over an own trunk."""
    served = {key.name for key, _ in draft.of(VoiceBotSpec)}
    for key, spec in draft.of(CampaignSpec):
        bot = spec.voice_bot
        if bot is None:
            continue
        if bot.name not in served:
            message = f"no VoiceBot {bot.name!r} is served"
            yield key, Problem(Reason.REFERENCE_MISSING, message, f"{_BOT}.name")
        elif problem := _no_way(draft, spec, bot):
            yield key, problem


def _no_way(draft: Draft, spec: CampaignSpec, bot: CampaignBot) -> Problem | None:
    if spec.tenant is None:
        allowed = frozenset(spec.permissions)
        if allowed & _permissions_of_routes(draft):
            return None
        message = f"no SipTrunk has an outbound route for {' or '.join(sorted(allowed))} calls, so nobody can be called"
        return Problem(Reason.REFERENCE_MISSING, message, f"{_BOT}.permissions")
    if bot.callback_number is not None and _written(draft, bot.callback_number) in _numbers_of(draft, bot.name):
        return None
    message = f"no inbound route of a SipTrunk with this did leads to the VoiceBot {bot.name!r}: the platform rings it"
    return Problem(Reason.REFERENCE_MISSING, message, f"{_BOT}.callbackNumber")


def _permissions_of_routes(draft: Draft) -> frozenset[Permission]:
    return frozenset(route.permission for _, trunk in draft.of(SipTrunkSpec) for route in trunk.outbound)


def _numbers_of(draft: Draft, bot: str) -> frozenset[str]:
    """The numbers whose calls lead straight to a bot."""
    routes = (route for _, trunk in draft.of(SipTrunkSpec) for route in trunk.inbound)
    return frozenset(_written(draft, route.did) for route in routes if route.to.voice_bot == bot)


def _written(draft: Draft, number: str) -> str:
    return identity(number, draft.asterisk.numbering if draft.asterisk else None)
