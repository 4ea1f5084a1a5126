"""The dialplan: pure builders of contexts, one module per noun.

`dialplan` gives every context of a site: those made of its manifests, whose entries have one priority each, and the
routines that they call (`routine.py` says why). `docs/dialplan.md` shows how a call goes through them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from dialplane.plan.dialplan import (
    cabins,
    destinations,
    emergency,
    features,
    inbound,
    internal,
    modems,
    numbers,
    outbound,
    privacy,
    recording,
    schedules,
    trunks,
    voice_bots,
    voicemail,
)
from dialplane.plan.dialplan.classes import class_context, used_permissions
from dialplane.plan.dialplan.contexts import INTERNAL, VOICEMAIL
from dialplane.plan.dialplan.hints import hints
from dialplane.plan.dialplan.retained import retained
from dialplane.plan.dialplan.routine import Routine
from dialplane.plan.dialplan.used import applications_used, modules_used
from dialplane.plan.objects import DialplanContext, DialplanEntry
from dialplane.plan.site import Site

__all__ = ["ROUTINES", "Lines", "applications_used", "dialplan", "modules_used", "retained"]

ROUTINES: tuple[Routine, ...] = (
    *recording.ROUTINES,
    *privacy.ROUTINES,
    *numbers.ROUTINES,
    *trunks.ROUTINES,
    *emergency.ROUTINES,
    *outbound.ROUTINES,
    *internal.ROUTINES,
    *destinations.ROUTINES,
    *inbound.ROUTINES,
    *modems.ROUTINES,
    *schedules.ROUTINES,
    *voicemail.ROUTINES,
    *features.ROUTINES,
)
"""The routines that are rendered at every site, so that a change of the site adds none."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a site's extensions, sorted: one for each number, one for each mailbox."""

    numbers: tuple[DialplanEntry, ...]
    boxes: tuple[DialplanEntry, ...]

    @classmethod
    def of(cls, site: Site) -> Self:
        """Made from the specs."""
        numbers = [cabins.number_line(site, key, spec) for key, spec in site.extensions]
        boxes = [voicemail.box_line(key, spec) for key, spec in site.extensions if spec.has_mailbox]
        return cls(
            tuple(sorted(numbers, key=lambda line: line.extension)),
            tuple(sorted(boxes, key=lambda line: line.extension)),
        )


def dialplan(site: Site, lines: Lines | None = None) -> tuple[DialplanContext, ...]:
    """Every context of the site, sorted by name.

    The bounds of the specs keep every line below what Asterisk reads and every argument below what it expands.

    Args:
        site: what to serve.
        lines: those of its extensions, by whoever has them already.
    """
    return tuple(sorted(_contexts(site, lines or Lines.of(site)), key=lambda c: c.name))


def _contexts(site: Site, lines: Lines) -> Iterator[DialplanContext]:
    reachable = destinations.Destinations.of(site)
    yield from (routine.rendered(site.asterisk_key) for routine in ROUTINES)
    yield recording.site_table(site)
    yield from recording.proof(site)
    yield trunks.trunk_table(site)
    yield trunks.trunk_policies(site)
    yield emergency.emergency(site)
    yield privacy.privacy(site)
    yield features.features(site)
    yield DialplanContext(INTERNAL, (), lines.numbers, site.asterisk_key)
    yield internal.members(site)
    yield DialplanContext(VOICEMAIL, (), lines.boxes, site.asterisk_key)
    yield hints(site)
    yield from inbound.inbound(site, reachable)
    yield from modems.modems(site, reachable)
    yield from cabins.cabin_contexts(site)
    yield from schedules.schedules(site, reachable)
    yield from voice_bots.voice_bots(site, reachable)
    classes = used_permissions(site)
    yield from (class_context(site, permissions) for permissions in classes)
    outbounds = {outbound.outbound_context(p): p for p in (*classes, frozenset(outbound.ALL_OUTBOUND))}
    yield from (outbound.outbound(site, permissions) for permissions in outbounds.values())
