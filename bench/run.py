"""A whole run: which rows at which sizes, in which order, in worlds that are used for as many rows as they serve."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bench import (
    calls,
    cold_start,
    devices,
    lease_desk,
    machine,
    messages,
    one_change,
    standalone,
    steady_state,
    storm,
    voice,
    world,
    yardsticks,
)
from bench.results import OneChange, Results, Storm

Say = Callable[[str], None]


class Topic(StrEnum):
    """What can be chosen by ``ONLY``; its figures are in the field of this name of `Results`."""

    COLD = "cold"
    CHANGE = "change"
    STEADY = "steady"
    STORM = "storm"
    STANDALONE = "standalone"
    COMMANDS = "commands"
    MESSAGES = "messages"
    LEASES = "leases"
    CALLS = "calls"
    DEVICES = "devices"
    VOICE = "voice"


@dataclass(frozen=True)
class Scale:
    """How much of everything; changes come to an end after `change_seconds` even if there are fewer."""

    cold: tuple[int, ...] = (100, 1_000, 5_000)
    change: tuple[tuple[int, int], ...] = ((100, 200), (1_000, 200), (5_000, 200), (10_000, 50))
    change_seconds: float = 75
    busy: int = 1_000
    """The size of steady state and storm."""
    steady_seconds: float = 120
    phones: int = steady_state.PHONES
    register_every: float = steady_state.EVERY_SECONDS
    storm_edits: int = storm.EDITS
    storm_seconds: float = storm.SECONDS
    standalone: tuple[tuple[int, int], ...] = ((1_000, 50), (5_000, 20))
    commands: int = 10_000
    per_second: int = messages.PER_SECOND
    message_seconds: float = messages.SECONDS
    write_seconds: float = messages.WRITE_SECONDS
    callers: int = lease_desk.CALLERS
    lease_pools: tuple[int, ...] = lease_desk.POOLS
    lease_seconds: float = lease_desk.SECONDS
    calls_per_second: int = calls.PER_SECOND
    call_seconds: float = calls.SECONDS
    call_databases: tuple[str, ...] = calls.DATABASES
    device_plan: devices.Plan = devices.FULL
    voice_plan: voice.VoicePlan = voice.FULL

    @property
    def sizes(self) -> list[int]:
        """All that a world is made for."""
        return sorted({*self.cold, *dict(self.change), self.busy})


FULL = Scale()
QUICK = Scale(
    cold=(20,),
    change=((20, 5),),
    busy=20,
    steady_seconds=2,
    phones=2,
    register_every=1,
    storm_edits=20,
    storm_seconds=1,
    standalone=((20, 3),),
    commands=20,
    per_second=10,
    message_seconds=1,
    write_seconds=0.05,
    callers=20,
    lease_seconds=0.05,
    lease_pools=(20, 50),
    call_seconds=0.5,
    call_databases=(calls.POSTGRESQL,),
    device_plan=devices.QUICK,
    voice_plan=voice.QUICK,
)
"""Proves that all of it works; its figures mean nothing."""


@dataclass
class Run:
    """One run of these topics; `say` takes a line of progress."""

    topics: frozenset[Topic]
    scale: Scale
    say: Say
    started: float = field(default_factory=time.monotonic)
    results: Results = field(default_factory=lambda: Results(machine=machine.describe()))

    async def all(self) -> Results:  # noqa: C901 -- one topic after the other
        """Measure everything that was chosen."""
        for size in self.scale.sizes:
            if wanted := self._at(size):
                await self._world(size, wanted)
        if Topic.STANDALONE in self.topics:
            for size, edits in self.scale.standalone:
                self._step(f"N={size:,}: dialplane run, {edits} changes by file")
                with _place() as place:
                    site = standalone.measure(size, place, edits=edits, limit_seconds=self.scale.change_seconds)
                    self.results.standalone.append(await site)
        if Topic.COMMANDS in self.topics:
            self._step(f"N={self.scale.commands:,}: render, validate, diff")
            with _place() as place:
                self.results.commands.extend(await standalone.commands(self.scale.commands, place))
        if Topic.MESSAGES in self.topics:
            self._step(f"{self.scale.per_second} messages a second for {self.scale.message_seconds:g} s")
            with _place() as place:
                taken = messages.measure(
                    place,
                    per_second=self.scale.per_second,
                    seconds=self.scale.message_seconds,
                    write_seconds=self.scale.write_seconds,
                )
                self.results.messages.append(await taken)
        if Topic.LEASES in self.topics:
            self._step(f"leases by {self.scale.callers} callers at once")
            with _place() as place:
                leased = lease_desk.measure(
                    place / "leases",
                    seconds=self.scale.lease_seconds,
                    callers=self.scale.callers,
                    sizes=self.scale.lease_pools,
                )
                self.results.leases.extend(await leased)
        if Topic.CALLS in self.topics:
            self._step(f"{self.scale.calls_per_second} calls a second for {self.scale.call_seconds:g} s, several times")
            with _place() as place:
                placed = calls.measure(
                    place,
                    per_second=self.scale.calls_per_second,
                    seconds=self.scale.call_seconds,
                    databases=self.scale.call_databases,
                )
                self.results.calls.extend(await placed)
        if Topic.DEVICES in self.topics:
            self._step(f"{self.scale.device_plan.count:,} devices")
            with _place() as place:
                self.results.devices.append(await devices.measure(place, self.scale.device_plan, self._step))
        if Topic.VOICE in self.topics:
            self._step(f"{self.scale.voice_plan.calls} calls of bots")
            with _place() as place:
                self.results.voice.append(await voice.measure(place, self.scale.voice_plan))
        return self.results.model_copy(update={"seconds": time.monotonic() - self.started})

    def _at(self, size: int) -> frozenset[Topic]:
        scale = self.scale
        here = {Topic.COLD: size in scale.cold, Topic.CHANGE: size in dict(scale.change)}
        here |= dict.fromkeys((Topic.STEADY, Topic.STORM), size == scale.busy)
        return frozenset(topic for topic, is_here in here.items() if is_here and topic in self.topics)

    async def _world(self, size: int, wanted: frozenset[Topic]) -> None:
        scale, results, at = self.scale, self.results, f"N={size:,}"
        async with AsyncExitStack() as stack:
            self._step(f"{at}: set-up")
            here = await stack.enter_async_context(world.start(size, stack.enter_context(_place())))
            changes: list[float] = []
            storms: list[Storm] = []
            async with AsyncExitStack() as running:
                self._step(f"{at}: cold start")
                ours = await running.enter_async_context(cold_start.started(here))
                if Topic.CHANGE in wanted:
                    edits = dict(scale.change)[size]
                    self._step(f"{at}: {edits} changes, one at a time")
                    changes = await one_change.measure(
                        here, ours.observer, edits=edits, limit_seconds=scale.change_seconds
                    )
                if Topic.STEADY in wanted:
                    self._step(f"{at}: steady state for {scale.steady_seconds:g} s")
                    steady = steady_state.measure(
                        here,
                        ours,
                        phones=scale.phones,
                        every_seconds=scale.register_every,
                        seconds=scale.steady_seconds,
                    )
                    results.steady.append(await steady)
                if Topic.STORM in wanted:
                    self._step(f"{at}: storm of {scale.storm_edits:,}")
                    storms += [
                        await storm.measure(here, ours.observer, edits=scale.storm_edits, seconds=scale.storm_seconds)
                    ]
            self._step(f"{at}: bare reloads")
            floor = await yardsticks.reload(here.asterisk, here.ami)
            if changes:
                results.change.append(OneChange(n=size, samples=changes, reload_floor=floor))
            results.storm.extend(each.model_copy(update={"reload_floor": floor}) for each in storms)
            if Topic.COLD in wanted:
                self._step(f"{at}: bare patches, naive operator")
                results.cold.append(await cold_start.compare(here, ours, floor))

    def _step(self, what: str) -> None:
        self.say(f"{time.monotonic() - self.started:4.0f} s  {what}")


@contextmanager
def _place() -> Iterator[Path]:
    """A directory for one world; what failed in it was said by then."""
    with tempfile.TemporaryDirectory(prefix="dialplane-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)
