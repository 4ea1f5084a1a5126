"""Independent eyes: a watch of our own that notes when each object's status came to speak of which generation."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bench.cluster import Cluster
from testbed.manifests import Manifest, condition

Judge = Callable[[Manifest], int]
"""An object -> the generation that its status shows as done; 0 for none."""


def verified(seen: Manifest) -> int:
    """Dialplane's word: Ready is True, and of which generation."""
    ready = condition(seen, "Ready")
    return int(ready["observedGeneration"]) if ready.get("status") == "True" else 0


def judged(seen: Manifest) -> int:
    """Likewise, whichever way it judged."""
    ready = condition(seen, "Ready")
    return int(ready["observedGeneration"]) if ready.get("status") in {"True", "False"} else 0


def touched(seen: Manifest) -> int:
    """The naive operator's word: it saw this generation."""
    return int(seen.get("status", {}).get("observedGeneration", 0))


class NotDoneError(RuntimeError):
    """What was waited for did not come in time; the message counts what lacks."""


@dataclass
class _Wait:
    """Somebody waits for these names to reach these generations."""

    missing: dict[str, int]
    last: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, name: str, generation: int, at: float) -> None:
        if generation >= self.missing.get(name, sys.maxsize):
            del self.missing[name]
            self.last = max(self.last, at)
            if not self.missing:
                self.over.set()


@dataclass
class Observer:
    """What was seen so far, by name.

    Attributes:
        done: every generation that was done, and when that was first seen, seconds of `time.monotonic`; rising.
    """

    judge: Judge
    done: dict[str, dict[int, float]] = field(default_factory=dict)
    _waits: list[_Wait] = field(default_factory=list)
    _version: str = ""

    def note(self, obj: Manifest) -> None:
        """Take in one object."""
        generation, name = self.judge(obj), obj["metadata"]["name"]
        seen = self.done.setdefault(name, {})
        if generation and generation not in seen:
            seen[generation] = at = time.monotonic()
            for wait in self._waits:
                wait.note(name, generation, at)

    def at_least(self, name: str, generation: int) -> float | None:
        """When this generation, or a later one that includes it, was first seen done; None where it was not yet."""
        return min((at for each, at in self.done.get(name, {}).items() if each >= generation), default=None)

    async def until(self, wanted: Mapping[str, int], *, limit_seconds: float, what: str) -> float:
        """Wait until each of these names is done with at least that generation; return when the last was.

        Raises:
            NotDoneError: not within `limit_seconds`.
        """
        seen = {name: self.at_least(name, generation) for name, generation in wanted.items()}
        wait = _Wait({name: wanted[name] for name, at in seen.items() if at is None})
        wait.last = max((at for at in seen.values() if at is not None), default=0.0)
        self._waits.append(wait)
        try:
            async with asyncio.timeout(limit_seconds):
                if wait.missing:
                    await wait.over.wait()
        except TimeoutError:
            some = ", ".join(sorted(wait.missing)[:5])
            lack = f"{len(wait.missing)} of {len(wanted)} are not done"
            raise NotDoneError(f"{what}: {lack} after {limit_seconds:g} s: {some}") from None
        finally:
            self._waits.remove(wait)
        return wait.last

    async def look(self, cluster: Cluster) -> None:
        """Take in all that is there now; from here `follow` goes on."""
        page = await cluster.request("GET", cluster.namespace.path("Extension"))
        for obj in page["items"]:
            self.note(obj)
        self._version = page["metadata"]["resourceVersion"]

    async def follow(self, cluster: Cluster) -> None:
        """Watch on, until cancelled. A busy server drops watchers that it thinks slow; they take up where they were."""
        path, forever = cluster.namespace.path("Extension"), aiohttp.ClientTimeout(total=None)
        while True:
            query = {"watch": "1", "resourceVersion": self._version}
            async with cluster.session.get(path, params=query, timeout=forever) as answer:
                rest = b""
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        self._take(json.loads(line))
            if not self._version:
                await self.look(cluster)

    def _take(self, event: Manifest) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":  # that version is no longer known
            self._version = ""
            return
        self._version = obj["metadata"]["resourceVersion"]
        if event["type"] == "DELETED":
            self.done.pop(obj["metadata"]["name"], None)
        else:
            self.note(obj)


@asynccontextmanager
async def watching(cluster: Cluster, judge: Judge = verified) -> AsyncIterator[Observer]:
    """Observe all Extensions of the namespace from now on; what is there now is noted, too."""
    observer = Observer(judge)
    await observer.look(cluster)
    async with asyncio.TaskGroup() as tasks:  # a watch that fails ends whoever waits for it
        task = tasks.create_task(observer.follow(cluster))
        try:
            yield observer
        finally:
            task.cancel()


def first_generation(names: Iterable[str]) -> dict[str, int]:
    """What to wait for where nothing was changed yet."""
    return dict.fromkeys(names, 1)
