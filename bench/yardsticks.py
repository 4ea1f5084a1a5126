"""What Dialplane is held against: the least that must happen, and the usual way of doing it."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from bench.cluster import connect, in_flight
from bench.observer import first_generation, touched, watching
from bench.results import NaiveRun
from bench.world import AUDIT_SECONDS, NAIVE, World
from testbed.ami import AmiClient
from testbed.asterisk import AsteriskInstance
from testbed.kube.namespace import OPERATOR

RELOADS: Final = 5
PATCH_ROUNDS: Final = 2
_MODULES: Final = ("res_pjsip.so", "pbx_config.so")
_LIMIT_SECONDS: Final = 600
_CONDITIONS: Final = (
    ("Accepted", "True", "Accepted", "the spec is valid and collides with nothing"),
    ("Ready", "True", "Verified", "the running Asterisk was asked and answered with this generation"),
    ("Registered", "False", "NoContact", "no phone has registered"),
)


async def patch_statuses(world: World) -> list[float]:
    """Floor: write a status of real size (three conditions) to every Extension, 24 in flight; seconds of each round.

    As the operator's user, over connections that are kept, in a process that does nothing else.
    """
    rounds = []
    async with connect(world.cluster.namespace, OPERATOR) as bare:
        for serial in range(PATCH_ROUNDS):
            status = {
                "observedGeneration": 1,
                "contacts": [],
                "conditions": [
                    {
                        "type": kind,
                        "status": truth,
                        "reason": reason,
                        "message": message,
                        "observedGeneration": 1,
                        "lastTransitionTime": f"2026-01-01T00:00:{serial:02d}Z",
                    }
                    for kind, truth, reason, message in _CONDITIONS
                ],
            }

            async def patch(name: str, status: object = status) -> None:
                await bare.patch("Extension", name, {"status": status}, status=True)

            started = time.monotonic()
            await in_flight(patch, world.names)
            rounds.append(time.monotonic() - started)
    return rounds


async def reload(asterisk: AsteriskInstance, ami: AmiClient) -> list[float]:
    """Floor: have Asterisk read the same files again, told so over AMI; seconds of each time, both modules together."""
    files = await asyncio.to_thread(lambda: sorted((asterisk.etc / "dialplane").glob("*.conf")))
    taken = []
    for _ in range(RELOADS):
        for file in files:
            os.utime(file)  # else a module may find that it has read that file already
        started = time.monotonic()
        for module in _MODULES:
            await ami.action("Reload", Module=module, limit_seconds=60)
        taken.append(time.monotonic() - started)
        await asyncio.sleep(0.1)
    return taken


async def naive(world: World) -> NaiveRun:
    """The usual way: the naive operator, started on as many Extensions, until each has its status."""
    cluster = await world.naive_site()
    before = world.requests(NAIVE).total()
    async with watching(cluster, touched) as observer, world.naive_operator(cluster) as process:
        last = await observer.until(first_generation(world.names), limit_seconds=_LIMIT_SECONDS, what="naive")
        used = process.usage()
        await asyncio.sleep(AUDIT_SECONDS)
    return NaiveRun(
        seconds=last - process.started,
        cpu_seconds=used.cpu_seconds,
        peak_rss=used.peak_rss,
        requests=world.requests(NAIVE).total() - before,
    )


def parse_yaml(files: Sequence[Path]) -> float:
    """Floor: parse the same files with libyaml into plain values, and nothing more; seconds."""
    started = time.perf_counter()
    for file in files:
        for _ in yaml.load_all(file.read_bytes(), Loader=yaml.CSafeLoader):
            pass
    return time.perf_counter() - started
