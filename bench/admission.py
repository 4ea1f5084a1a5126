"""What an admission review costs: the handler's CPU at a big site, each review after a change, as in a big apply."""

import gc
import time
from collections.abc import Iterable, Iterator
from statistics import quantiles
from typing import Final

from bench.site import account, extension, number, pbx_at
from dialplane.kube.admission import AdmissionHandler
from dialplane.kube.inventory import REFERRED, Inventory
from dialplane.kube.operator import GC_AFTER, addresses, references
from dialplane.kube.shelf import Suspicion
from dialplane.logs import configure_logs
from dialplane.resources.manifest import parse
from testbed.manifests import Manifest, as_served, manifest

SIZE: Final = 10_000
REVIEWS: Final = 2_000
TRUNKS: Final = 20
GOAL: Final = 0.020
"""Seconds of CPU that 99 of 100 reviews stay below."""


def inventory_of(size: int) -> Inventory:
    """The inventory of a site with so many phones, twenty trunks and ten schedules."""
    inventory = Inventory("office", tuple(addresses()), parse, references)
    for made in (pbx_at(5060, (10_000, 20_000)), *trunks(), *schedules()):
        feed(inventory, made)
    for index in range(size):
        feed(inventory, extension(index))
        feed(inventory, account(index))
    for kind in (*addresses(), *REFERRED):
        inventory.listed(kind, [])
    return inventory


def trunks() -> Iterator[Manifest]:
    """Trunks with a network, a route in and a route out each."""
    for index in range(TRUNKS):
        inbound = {"did": f"1555{index:04}", "to": {"extension": number(index)}}
        outbound = {"pattern": f"_0{index:02}Z.", "strip": 1, "permission": "national"}
        networks = [f"198.51.100.{index}/32"]
        ways = {"inbound": [inbound], "outbound": [outbound]}
        yield manifest("SipTrunk", f"t{index}", host="sip.example.com", matchNetworks=networks, **ways)


def schedules() -> Iterator[Manifest]:
    """Schedules that lead to a phone, in and out of hours."""
    for index in range(10):
        yield manifest("Schedule", f"s{index}", whenOpen={"extension": number(index)}, whenClosed={"hangup": True})


def feed(inventory: Inventory, made: Manifest) -> None:
    """Put an object in as the watch would."""
    inventory.event(made["kind"], "ADDED", as_served(made))


async def _reread(kind: str, suspects: Iterable[Suspicion]) -> None:
    """Read nothing: the site does not change meanwhile."""


def measure(size: int = SIZE, reviews: int = REVIEWS) -> list[float]:
    """Return the CPU seconds of each review: new phones, taken numbers and changes in turn."""
    inventory = inventory_of(size)
    handler = AdmissionHandler(inventory, _reread)
    gc.collect()
    gc.set_threshold(GC_AFTER, *gc.get_threshold()[1:])  # as in the operator
    seconds = []
    for serial in range(reviews):
        taken = serial % 3 == 1
        new = extension(serial if taken else size + serial)
        new["metadata"]["name"] = f"new-{serial}"
        old = None
        if serial % 3 == 2:  # noqa: PLR2004 -- each third
            old, new = as_served(extension(serial)), as_served(extension(serial, displayName="Moved"))
        started = time.process_time()
        verdict = handler.verdict(as_served(new) if old is None else new, old)
        seconds.append(time.process_time() - started)
        if bool(verdict.refusals) is not taken:
            raise RuntimeError(f"review {serial}: {verdict}")
        feed(inventory, extension(serial, ringSeconds=10 + serial % 40))
    return seconds


if __name__ == "__main__":
    configure_logs("WARNING")
    measured = measure()
    cuts = quantiles(measured, n=100)
    first, p50, p99 = (round(1000 * each, 2) for each in (measured[0], cuts[49], cuts[98]))
    print(f"admission at {SIZE:,} Extensions, CPU of the handler: p50 {p50} ms, p99 {p99} ms, the first {first} ms")  # noqa: T201
    raise SystemExit(cuts[98] > GOAL)
