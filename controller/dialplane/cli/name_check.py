"""Whether the names that trunks go to lead anywhere, asked as Asterisk asks."""

import asyncio
from typing import Final

from dialplane.cli.doctor_checks import Diagnosis, Level
from dialplane.reconcile.resolution import Hop, hop_of, resolve
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.sip_trunk import SipTrunkSpec
from dialplane.resources.snapshot import Snapshot

_CHECK: Final = "names"


async def names(asterisk: AsteriskSpec, snapshot: Snapshot, limit: float) -> list[Diagnosis]:
    """Look up each trunk's name by this machine's name servers; `limit` in seconds is for each, all at once."""
    asked = [
        (f"SipTrunk/{resource.key.name}", "outboundProxy" if trunk.outbound_proxy else "host", hop)
        for resource, trunk in snapshot.of(SipTrunkSpec)
        if trunk.enabled and (hop := hop_of(asterisk, trunk)) is not None
    ]
    return list(await asyncio.gather(*(_judged(trunk, field, hop, limit) for trunk, field, hop in asked)))


async def _judged(trunk: str, field: str, hop: Hop, limit: float) -> Diagnosis:
    found = await resolve(hop, limit)
    if found.addresses:
        return Diagnosis(_CHECK, Level.OK, f"{trunk}: {hop.name} is {', '.join(found.addresses)}")
    cure = (
        f"correct spec.{field}, or the name servers in /etc/resolv.conf of Asterisk's machine: it asks them alone, "
        "without /etc/hosts, and only for the trunk's own transport"
    )
    return Diagnosis(_CHECK, Level.FAILED, f"{trunk}: spec.{field}: {found.failure}", cure)
