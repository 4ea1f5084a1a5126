"""The leader's way to a service's replicas: publishes what it wants of them, and reads what they report."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from dialplane.services.contract import ReplicaState
from dialplane.store import Store, StoreError, site_views
from dialplane.store.hints import Channel, Hints
from dialplane.store.site_views import Publication, State
from dialplane.tasks import Backoff, keep_running, run_together, wait_at_most

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(0.5, 10)
READ_GAP: Final = 0.2
"""Seconds between two looks at the states: many that change one after the other are read together."""
_NOTHING: Final = object()


class ReplicaLink:
    """Implements `contract.Replicas` for one service, for one term of leadership."""

    def __init__(self, store: Store, hints: Hints, site: str, service: str, leads: Callable[[], bool]) -> None:
        """Publish only while `leads` says so."""
        self._store = store
        self._hints = hints
        self._site = site
        self._service = service
        self._leads = leads
        self._desired: Any = _NOTHING
        self._published: Any = _NOTHING
        self._to_publish = asyncio.Event()
        self._hint = hints.subscribe(Channel.STATES)
        self._term: int | None = None
        self._living: frozenset[str] | None = None
        self._revisions: Mapping[str, int] = {}
        self._reported: Mapping[str, tuple[State, ...]] = {}
        self._states: Mapping[str, Sequence[ReplicaState]] = {}

    def publish(self, desired: Any) -> None:
        """See `contract.Replicas.publish`."""
        self._desired = desired
        self._to_publish.set()

    def living(self) -> frozenset[str] | None:
        """See `contract.Replicas.living`."""
        return self._living

    def states(self) -> Mapping[str, Sequence[ReplicaState]]:
        """See `contract.Replicas.states`."""
        return self._states

    async def run(self, changed: Callable[[], None]) -> None:
        """Write and read until cancelled; call `changed` when `states` has something new."""
        await run_together(self._keep(self._write), self._keep(lambda: self._read(changed)))

    async def _keep(self, work: Callable[[], Any]) -> None:
        def note(error: StoreError, wait: float) -> None:
            log.warning("replicas out of reach", service=self._service, reason=str(error), retry_seconds=wait)

        await keep_running(work, errors=StoreError, backoff=BACKOFF, on_error=note, healthy_after=30)

    async def _write(self) -> None:
        while True:
            desired = self._desired
            if desired is self._published or desired == self._published:
                await self._to_publish.wait()
                self._to_publish.clear()
            elif not self._leads():  # its successor publishes
                await asyncio.sleep(1)
            else:
                await self._publish(desired)

    async def _publish(self, desired: Any) -> None:
        if self._term is None:
            self._term = await self._store.call(site_views.begin_term, self._site, self._service)
        done = await self._store.call(site_views.publish, self._site, self._service, self._term, desired)
        if done is Publication.DEPOSED:
            log.warning("another leader published", service=self._service, term=self._term)
            self._term = None  # begun again only if this process leads, asked before
            await asyncio.sleep(READ_GAP)
            return
        self._published = desired
        if done is Publication.WRITTEN:
            await self._hints.send(Channel.VIEWS)

    async def _read(self, changed: Callable[[], None]) -> None:
        while True:
            self._hint.clear()
            found = await self._store.call(site_views.replicas, self._site, self._revisions, [self._service])
            self._living = frozenset(found.revisions)
            if found.revisions != self._revisions:
                kept = {name: states for name, states in self._reported.items() if name in found.revisions}
                self._revisions, self._reported = found.revisions, {**kept, **found.states}
                states = _by_subject(self._reported)
                if states != self._states:
                    self._states = states
                    changed()
            await asyncio.sleep(READ_GAP)
            await wait_at_most(self._hint, self._hints.poll_seconds)


def _by_subject(reported: Mapping[str, tuple[State, ...]]) -> Mapping[str, Sequence[ReplicaState]]:
    found: dict[str, list[ReplicaState]] = defaultdict(list)
    for replica, states in reported.items():
        for state in states:
            found[state.subject].append(ReplicaState(replica, state.state, state.at))
    return {subject: sorted(states, key=lambda each: each.at, reverse=True) for subject, states in found.items()}
