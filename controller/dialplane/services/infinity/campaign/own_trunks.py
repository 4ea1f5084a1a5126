"""The site's own trunks, as one campaign calls over them: which numbers it may dial, and how. Pure.

A number is dialled as a telephone of the site would. Which route takes it, Asterisk decides by its best match; here the
same is found out before, so that a campaign dials nothing that its permissions or the law keep from it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from dialplane.plan.dialplan.outbound import ALL_OUTBOUND, outbound_context, outbound_routes
from dialplane.plan.dialplan.patterns import matches, precedence
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.campaign import CampaignSpec
from dialplane.resources.fields import Permission
from dialplane.resources.key import Key
from dialplane.resources.numbering import EMERGENCY_NUMBERS
from dialplane.resources.sip_trunk import OutboundRoute, SipTrunkSpec
from dialplane.resources.voice_bot import VoiceBotSpec
from dialplane.services.contract import SiteView

CONTEXT: Final = outbound_context(ALL_OUTBOUND)
"""Where its calls begin: every route of the site, and nothing else."""


@dataclass(frozen=True, slots=True)
class Way:
    """A pattern that leads out."""

    pattern: str
    permissions: frozenset[Permission]
    """Of its routes."""
    sent: tuple[tuple[int, str], ...]
    """Of each route: digits that are taken off, and what is put before the rest."""


@dataclass(frozen=True, slots=True)
class Dialling:
    """What a campaign may dial."""

    permissions: frozenset[Permission]
    ways: tuple[Way, ...]
    """In the order in which Asterisk looks through them."""
    emergency: frozenset[str]
    """Numbers that are never dialled."""

    def hindrance(self, number: str) -> str:
        """Return why a number may not be dialled, in a sentence with the cure; empty where it may."""
        way = next((each for each in self.ways if matches(each.pattern, number)), None)
        if way is None:
            return "no outbound route of a SipTrunk takes it: write it as a telephone of the site dials it"
        if not way.permissions <= self.permissions:
            wanted = " or ".join(sorted(way.permissions - self.permissions))
            return f"a call by the route {way.pattern} is {wanted}: see spec.voiceBot.permissions"
        dialled = {number, *(prepend + number[strip:] for strip, prepend in way.sent)}
        return "an emergency number: a campaign calls none" if dialled & self.emergency else ""


@dataclass(frozen=True, slots=True)
class OwnTrunks:
    """How one campaign calls."""

    name: str
    """`@` and the campaign's: no tenant has such a name."""
    bot: str
    """The VoiceBot that speaks."""
    most: int
    """Calls that the bot takes at a time."""
    dialling: Dialling
    caller_id: str | None
    """The number that is shown; None: the trunk's."""
    ring_seconds: int
    call_seconds: int
    """After which a call is not waited for any more."""
    why: str = ""
    """Why it calls nobody now; empty where it calls."""

    @property
    def serves(self) -> bool:
        """Whether it calls."""
        return not self.why


def own_trunks(view: SiteView, name: str, spec: CampaignSpec, pbx: AsteriskSpec | None) -> OwnTrunks | None:
    """Return how a campaign without a tenant calls; None where it has one, or no bot."""
    if spec.tenant is not None or spec.voice_bot is None:
        return None
    bots = [(resource.key, bot) for resource, bot in view.snapshot.of(VoiceBotSpec)]
    bot = next((found for key, found in bots if key.name == spec.voice_bot.name and key in view.accepted), None)
    trunks = [(resource.key, trunk) for resource, trunk in view.snapshot.of(SipTrunkSpec)]
    return OwnTrunks(
        name=f"@{name}",
        bot=spec.voice_bot.name,
        most=bot.max_concurrent_calls if bot else 0,
        dialling=Dialling(
            permissions=frozenset(spec.permissions),
            ways=_ways([(key, trunk) for key, trunk in trunks if key in view.accepted]),
            emergency=frozenset((*EMERGENCY_NUMBERS, *(pbx.emergency.numbers if pbx and pbx.emergency else ()))),
        ),
        caller_id=spec.voice_bot.caller_id,
        ring_seconds=spec.ring_seconds,
        call_seconds=(bot.max_call_seconds if bot else 0) + _TRANSFERRED,
        why=_why(view, spec.voice_bot.name, bot),
    )


_TRANSFERRED: Final = 4 * 3600
"""Seconds that a call may go on after the bot has sent it on."""


def _why(view: SiteView, name: str, bot: VoiceBotSpec | None) -> str:
    if bot is None:
        return f"the VoiceBot {name} takes no calls: see its own conditions"
    if view.calls is None:
        return "nobody may place calls: name an account of call control in spec.ami.callsCredentialsSecretRef"
    return ""


def _ways(trunks: Iterable[tuple[Key, SipTrunkSpec]]) -> tuple[Way, ...]:
    found = outbound_routes(trunks)
    ways = (_way(pattern, [route for _, route in routes]) for pattern, routes in found.items())
    return tuple(sorted(ways, key=lambda way: precedence(way.pattern)))


def _way(pattern: str, routes: Sequence[OutboundRoute]) -> Way:
    permissions = frozenset(route.permission for route in routes)
    return Way(pattern, permissions, tuple((route.strip, route.prepend) for route in routes))
