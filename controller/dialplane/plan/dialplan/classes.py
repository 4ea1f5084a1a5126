"""Classes of service: what a caller may dial, as one context that only includes others.

A blind transfer runs in the context of whoever transfers, on the other party's channel. So permission must be a matter
of the context alone, never of a variable on the caller's channel.
"""

from collections.abc import Iterable

from dialplane.plan.dialplan.contexts import EMERGENCY, FEATURES, INTERNAL, PRIVACY, VOICE_BOT_NUMBERS, context
from dialplane.plan.dialplan.endpoints import class_of_service
from dialplane.plan.dialplan.outbound import outbound_context
from dialplane.plan.objects import DialplanContext
from dialplane.plan.site import Site
from dialplane.resources.fields import Permission


def used_permissions(site: Site) -> list[frozenset[Permission]]:
    """Each combination of permissions that an extension of the site has, in a fixed order."""
    listed = {spec.permissions for _, spec in site.extensions}
    return sorted({frozenset(permissions) for permissions in listed}, key=sorted)


def class_context(site: Site, permissions: Iterable[Permission]) -> DialplanContext:
    """The context of one class. The first include that matches wins: emergency numbers can never be taken away."""
    permitted = frozenset(permissions)
    bots = (VOICE_BOT_NUMBERS,) if any(bot.spec.number for bot in site.voice_bots) else ()
    own = (FEATURES, INTERNAL, *bots) if "internal" in permitted else ()
    includes = (EMERGENCY, PRIVACY, *own, outbound_context(permitted))
    return context(class_of_service(permitted), site.asterisk_key, includes=includes)
