"""Statuses to the API server: merge patches of what differs, many at a time, each bound to the version it judges.

Guarantees:

- a status is written only if it says something new: a restart on an unchanged site writes nothing. Numbers alone (and
  `VOLATILE_TIMES`) are written at most once in `numbers_every` seconds, those of `watched` kinds in `WATCHED_EVERY`,
  and ride along with anything else;
- every patch carries metadata.resourceVersion: whoever changed the object meanwhile wins (409), it is read again and
  the site marked changed; no patch is repeated blindly;
- each patch asks the leadership first, and its time limit is shorter than the gap before a successor starts;
- nothing that happens to one resource fails another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from dialplane.kube.access import REFUSED_FOR
from dialplane.kube.addresses import Address
from dialplane.kube.api import MERGE_PATCH, Api
from dialplane.kube.errors import ConflictError, ForbiddenError, InvalidError, KubeError, NotFoundError
from dialplane.kube.events import EventSink
from dialplane.kube.inventory import Held, Inventory
from dialplane.kube.merge_patch import compact, merge_patch, steady
from dialplane.kube.metrics import PUBLISH_SECONDS, STATUS_UNCHANGED, STATUS_WRITES
from dialplane.kube.shelf import Suspicion
from dialplane.reconcile.ports import Leadership
from dialplane.resources.conditions import ConditionType, Report, Truth, status_of, transitions
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.tasks import Backoff

log = structlog.get_logger(__name__)
JSON = Any
Status = Mapping[str, JSON]

IN_FLIGHT = 24
"""Patches at a time: 400 to 490 a second; more do not help (facts)."""
TIME_LIMIT = 2.0
"""Seconds for one patch; below the lease's `duration - renew_deadline`."""
BACKOFF = Backoff(1, 30)
"""Until the statuses that could not be written are tried again."""
WATCHED_EVERY = 2.0
"""Seconds between writes of numbers alone, of kinds that are `watched`."""
VERDICTS = frozenset({ConditionType.ACCEPTED, ConditionType.READY})


@dataclass(frozen=True, slots=True)
class _Answered:
    """What we wanted, and what the server made of it."""

    wanted: Status
    kept: Status


@dataclass(slots=True)
class StatusWriter:
    """Implements `reconcile.ports.StatusSink`.

    `reread` reads objects consistently into the inventory; `touch` marks the site changed; `refused` judges a 403 (a
    missing right, or an admission webhook); `clock` is monotonic seconds.
    """

    api: Api
    inventory: Inventory
    addresses: Mapping[str, Address]
    leadership: Leadership
    events: EventSink
    reread: Callable[[str, tuple[Suspicion, ...]], Awaitable[None]]
    touch: Callable[[], None]
    refused: Callable[[str, ForbiddenError], None]
    clock: Callable[[], float]
    numbers_every: float = 60.0
    _written: dict[Key, float] = field(default_factory=dict, init=False)
    _answered: dict[Key, _Answered] = field(default_factory=dict, init=False)
    _settled: dict[Key, tuple[Report, str]] = field(default_factory=dict, init=False)
    """Reports that needed nothing, and the version they were compared with: live events bring all reports each time."""
    _refused: dict[Key, float] = field(default_factory=dict, init=False)
    """Since when a status gets a 403: at first it is tried again, for a server that starts refuses everything."""
    _deferred: dict[Key, Report] = field(default_factory=dict, init=False)
    _failures: int = field(default=0, init=False)
    """Rounds in a row in which no status could be written."""
    _retrying: asyncio.TimerHandle | None = field(default=None, init=False)

    async def publish(self, reports: Mapping[Key, Report]) -> None:
        """See `reconcile.ports.StatusSink.publish`."""
        for known in (self._written, self._answered, self._settled, self._refused, self._deferred):
            for key in known.keys() - reports.keys():
                del known[key]
        with PUBLISH_SECONDS.time():
            await self._write_all(iter(self._unsettled(reports)))

    def _unsettled(self, reports: Mapping[Key, Report]) -> list[Report]:
        """What may need a patch: 10,000 reports of which nothing changed take 10 ms."""
        held, settled = self.inventory.held, self._settled
        found = []
        for key, report in reports.items():
            now, before = held(key), settled.get(key)
            if now is None or before != (report, now.version):  # which looks at identity before it compares
                found.append(report)
            else:
                self._deferred.pop(key, None)
        STATUS_UNCHANGED.inc(len(reports) - len(found))
        return found

    async def keep_numbers_fresh(self) -> None:
        """For ever: write the numbers that had to wait, when they may be written."""
        while True:
            await asyncio.sleep(min(WATCHED_EVERY, self.numbers_every))
            now = self.clock()
            due = [key for key in self._deferred if self._numbers_due(key, now)]
            if due and self.leadership.held():
                # Looked up as late as can be: a publish meanwhile may have written something newer.
                await self._write_all(self._deferred[key] for key in due if key in self._deferred)

    def begin_term(self) -> None:
        """Forget what an earlier term of leadership left to be written: another has led since."""
        self._deferred.clear()
        if self._retrying is not None:
            self._retrying.cancel()

    async def _write_all(self, reports: Iterator[Report]) -> None:
        """A few workers share one iterator, so that 5,000 reports are not 5,000 tasks."""
        tried = failed = 0

        async def work() -> None:
            nonlocal tried, failed
            for count, report in enumerate(reports):
                if (needed := self._needed(report)) is not None:
                    written = await self._write(report, *needed)
                    tried += 1  # after the wait: the others count meanwhile
                    failed += not written
                elif count % 50 == 0:
                    await asyncio.sleep(0)  # a round of unchanged reports must not hold up the loop

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
        if failed < tried or not tried:  # ever more rarely only where it leads nowhere
            self._failures = 0
        if failed:
            self._retry_later(failed)

    def _needed(self, report: Report) -> tuple[Held, Status, Status] | None:
        """What to write for a report: the object, its status now, and the status it should have."""
        held = self.inventory.held(report.key)
        if held is None or held.uid != report.uid:
            return None
        before = compact(held.status)
        after = compact(status_of(report, before, datetime.now(UTC)))
        answered = self._answered.get(report.key)
        self._deferred.pop(report.key, None)
        if before == after or answered == _Answered(after, before):
            self._settled[report.key] = (report, held.version)
            STATUS_UNCHANGED.inc()
            return None
        if steady(before) == steady(after) and not self._numbers_due(report.key, self.clock()):
            self._deferred[report.key] = report
            return None
        return held, before, after

    def _numbers_due(self, key: Key, now: float) -> bool:
        every = min(WATCHED_EVERY, self.numbers_every) if KINDS[key.kind].watched else self.numbers_every
        return now - self._written.get(key, float("-inf")) >= every

    async def _write(self, report: Report, held: Held, before: Status, after: Status) -> bool:
        """Send one patch; False where it should be tried again later."""
        if not self.leadership.held():
            return True  # a deposed one writes nothing, and its successor writes everything
        key = report.key
        patch = {"metadata": {"resourceVersion": held.version}, "status": merge_patch(before, after)}
        path = self.addresses[key.kind].status(self.inventory.namespace, key.name)
        result, ok = "written", True
        try:
            answer = await self.api.request("PATCH", path, body=patch, content_type=MERGE_PATCH, timeout=TIME_LIMIT)
        except ConflictError:
            result = "conflict"
            ok = await self._read_again(key, held)
        except NotFoundError:
            result = "gone"
        except ForbiddenError as error:
            result, ok = "refused", self.clock() - self._refused.setdefault(key, self.clock()) >= REFUSED_FOR
            if ok:
                self._answered[key] = _Answered(after, before)  # not again until one of the two changes
            self.refused(key.kind, error)
        except InvalidError as error:
            result = "refused"
            self._answered[key] = _Answered(after, before)  # likewise
            log.error("status_refused", resource=str(key), error=error.message)  # noqa: TRY400 -- no traceback
        except KubeError as error:
            result, ok = "failed", False
            log.info("status_failed", resource=str(key), error=str(error))
        else:
            self._take_answer(report, before, after, answer)
        STATUS_WRITES.labels(key.kind, result).inc()
        return ok

    def _take_answer(self, report: Report, before: Status, after: Status, answer: JSON) -> None:
        """The answer is the object as it is now: no need to wait for its echo through the watch."""
        key = report.key
        kept = compact(answer.get("status") or {})
        if kept != after and (key not in self._answered or self._answered[key].wanted != after):
            log.warning("status_not_kept", resource=str(key), fields=sorted(merge_patch(kept, after)))
        if kept == after:
            self._answered.pop(key, None)
            answer = {**answer, "status": after}  # one copy of it is enough
        else:
            self._answered[key] = _Answered(after, kept)
        self._written[key] = self.clock()
        self._refused.pop(key, None)
        self.inventory.event(key.kind, "MODIFIED", answer)
        self._settled[key] = report, answer["metadata"]["resourceVersion"]
        for condition in transitions(report, before):
            # At first sight a phone that has not registered yet is no news: at a cold start it would be thousands.
            if before or condition.status == Truth.TRUE or condition.type in VERDICTS:
                self.events.tell(key, report.uid, condition)

    async def _read_again(self, key: Key, held: Held) -> bool:
        try:
            await self.reread(key.kind, (Suspicion(key.name, held.uid),))
        except KubeError as error:
            log.info("reread_failed", resource=str(key), error=str(error))
            return False
        self.touch()
        return True

    def _retry_later(self, failed: int) -> None:
        """Mark the site changed, but not at once: a server that does not answer is not asked in a circle."""
        self._failures += 1
        wait = BACKOFF.wait_after(self._failures)
        log.warning("statuses_unwritten", count=failed, retry_seconds=wait)
        if self._retrying is not None:
            self._retrying.cancel()
        self._retrying = asyncio.get_running_loop().call_later(wait, self.touch)
