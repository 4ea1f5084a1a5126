"""A site loop that takes every resource for verified: the operator's surroundings, without Asterisk.

`main` runs it as a program: `NAMESPACE [--listen …] [--lease-seconds …]`; KUBECONFIG says which cluster.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dialplane.kube.operator import Options, run_operator
from dialplane.reconcile.site import Ports
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import Reason

if TYPE_CHECKING:
    from dialplane.resources.key import Key

ACCEPTED = Condition(ConditionType.ACCEPTED, Truth.TRUE, Reason.ACCEPTED)
READY = Condition(ConditionType.READY, Truth.TRUE, Reason.VERIFIED, "Asterisk runs it")
INVALID = Condition(ConditionType.ACCEPTED, Truth.FALSE, Reason.INVALID, "as told")
UNREADY = Condition(ConditionType.READY, Truth.FALSE, Reason.INVALID, "as told")


def report_on(resource: Resource, fields: Mapping[str, Any] | None = None) -> Report:
    conditions = (ACCEPTED, READY) if resource.spec is not None else (INVALID, UNREADY)
    return Report(resource.key, resource.uid, resource.generation, conditions, fields or {})


class TrivialSite:
    """Counts its rounds and keeps what it saw."""

    def __init__(self, ports: Ports) -> None:
        self.source, self.sink, self.credentials = ports.source, ports.sink, ports.credentials
        self.converged = asyncio.Event()
        self.connected = True
        self.rounds: list[tuple[Key, ...]] = []
        self.fields: Mapping[str, Any] = {}

    async def run(self) -> None:
        while True:
            await self.source.changed()
            await self.once()

    async def once(self) -> None:
        snapshot = self.source.snapshot()
        started = time.monotonic()
        await self.sink.publish({key: report_on(r, self.fields) for key, r in snapshot.resources.items()})
        self.rounds.append(tuple(sorted(snapshot.resources)))
        self.converged.set()
        sys.stderr.write(f"round={len(self.rounds)} resources={len(snapshot.resources)} ")
        sys.stderr.write(f"seconds={time.monotonic() - started:.2f}\n")


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("namespace")
    parser.add_argument("--listen", default="")
    parser.add_argument("--lease-seconds", type=float, default=10.0)
    arguments = parser.parse_args(words)
    sys.exit(
        run_operator(
            Options(
                arguments.namespace,
                TrivialSite,
                listen=arguments.listen,
                lease_seconds=arguments.lease_seconds,
            )
        )
    )
