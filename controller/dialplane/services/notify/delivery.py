"""One Notifier's own way out: nothing that happens here holds up another.

Each attempt has a thread of its own and a limit. A thread that does not end by then is left behind, and counted: only
`SPARE` of them may be left behind, then the Notifier waits for one to end. What was told before a crash and not yet
noted is told again, under the same id.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from apprise import NotifyType

from dialplane.resources.conditions import Kept
from dialplane.resources.kinds import event_types
from dialplane.resources.moment import timestamp
from dialplane.services.notify import metrics
from dialplane.services.notify.desired import DesiredNotifier
from dialplane.services.notify.errors import UNKNOWN
from dialplane.services.notify.tables import deliveries
from dialplane.services.notify.tables.deliveries import Told
from dialplane.services.notify.target import BadTargetError, Target
from dialplane.services.notify.wording import BadTemplateError
from dialplane.store import Store, StoreError
from dialplane.tasks import Backoff, wait_at_most

log = structlog.get_logger(__name__)

PARALLEL: Final = 4
"""Attempts at a time, where the service takes several."""
SPARE: Final = 3
LOOK_EVERY: Final = 30.0
STORE_RETRY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often it is tried."""

    attempts: int = 14
    """Then it is a dead letter: after an hour and a quarter or so."""
    first: float = 2.0
    longest: float = 900.0
    limit: float = 30.0
    """Seconds for one attempt as a whole; Apprise's own limits are for each answer."""

    def pause(self, failed: int) -> timedelta:
        """How long to wait after so many failures, doubled each time; a part of it is chance."""
        return timedelta(seconds=Backoff(self.first, self.longest, least=0.5).wait_after(failed))


class DeliveryWorker:
    """Tells one Notifier what is pending for it."""

    def __init__(
        self, store: Store, site: str, duty: DesiredNotifier, patience: Patience, news: Callable[[], None]
    ) -> None:
        """Tell from `store`; `news` is called when `last_error` or a count may have changed."""
        self._store = store
        self._site = site
        self._patience = patience
        self._news = news
        self._wake = asyncio.Event()
        self._busy: set[str] = set()
        self._threads = 0
        self._duty: DesiredNotifier | None = duty
        self._hurry = False
        self.last_error: str | Kept | None = Kept.KEPT
        """Of the last attempt; None after a success, or of a Notifier that has changed."""

    def serve(self, duty: DesiredNotifier | None) -> None:
        """Tell this Notifier from now on: the same, a changed one, or none."""
        if duty is not self._duty:
            self._hurry = duty is not None
            self._duty, self.last_error = duty, None
            self._wake.set()

    def wake(self) -> None:
        """There may be something to tell."""
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as attempts:
            while True:
                self._wake.clear()
                try:
                    wait = await self._start_due(attempts)
                except StoreError:  # the service says so; here it is only tried again
                    wait = STORE_RETRY
                await wait_at_most(self._wake, wait)

    async def _start_due(self, attempts: asyncio.TaskGroup) -> float:
        """Start what may be started now; seconds until there may be more."""
        duty = self._duty
        if duty is None or not duty.served:
            return LOOK_EVERY
        if self._hurry:
            await self._store.call(deliveries.hurry, self._site, duty.name, now=datetime.now(UTC))
            self._hurry = False
        at_once = PARALLEL if duty.in_parallel else 1
        free = min(at_once - len(self._busy), at_once + SPARE - self._threads)
        if free <= 0:
            return LOOK_EVERY
        # What is noted while the store reads may be read as it was before: it is not told again.
        busy = frozenset(self._busy)
        limit = len(busy) + free + 1
        for told in await self._store.call(deliveries.upcoming, self._site, duty.name, duty.uid, limit=limit):
            if told.delivery.id in busy:
                continue
            if free == 0:
                break  # whoever ends wakes us
            wait = (told.delivery.due_at - datetime.now(UTC)).total_seconds()
            if wait > 0:
                return min(wait, LOOK_EVERY)
            free -= 1
            self._busy.add(told.delivery.id)
            self._threads += 1  # from here on, so that another look counts it
            attempts.create_task(self._tell(duty, told))
        return LOOK_EVERY

    async def _tell(self, duty: DesiredNotifier, told: Told) -> None:
        started = time.monotonic()
        try:
            error = await self._attempt(duty, told)
            metrics.ATTEMPT_SECONDS.observe(time.monotonic() - started)
            await self._note(told, error)
        finally:
            self._busy.discard(told.delivery.id)
            self._wake.set()

    async def _attempt(self, duty: DesiredNotifier, told: Told) -> str:
        """Tell it in a thread of its own; why it failed, or nothing."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        left = False

        def ended(error: str) -> None:
            self._threads -= 1
            if left:
                metrics.STUCK.dec()
                self._wake.set()
            if not done.done():
                done.set_result(error)

        def work() -> None:
            error = _send(duty, told)
            with suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(ended, error)

        threading.Thread(target=work, name=f"notify-{duty.name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._patience.limit):
                return await done
        except TimeoutError:
            left = True
            metrics.STUCK.inc()
            return f"no answer in {self._patience.limit:g} s"

    async def _note(self, told: Told, error: str) -> None:
        delivery, now = told.delivery, datetime.now(UTC)
        failed = delivery.attempts + 1
        dead = bool(error) and failed >= self._patience.attempts
        result = "dead" if dead else "failed" if error else "delivered"
        while True:  # it is busy until noted: else it would be told again
            with suppress(StoreError):
                if not error:
                    await self._store.call(deliveries.delivered, delivery.id, now=now)
                elif dead:
                    await self._store.call(deliveries.given_up, delivery.id, error=error, now=now)
                else:
                    due = now + self._patience.pause(failed)
                    await self._store.call(deliveries.postponed, delivery.id, error=error, due_at=due)
                break
            await asyncio.sleep(STORE_RETRY)
        metrics.ATTEMPTS.labels(result).inc()
        if not error:
            metrics.DELAY_SECONDS.observe(max(0.0, (now - told.event.at).total_seconds()))
        if error:
            log.warning(
                "notification failed",
                notifier=delivery.notifier,
                delivery=delivery.id,
                attempt=failed,
                error=error,
                given_up=dead,
            )
        self.last_error = error or None
        self._news()


def _values(told: Told) -> dict[str, object]:
    """What a template may name."""
    event, delivery = told.event, told.delivery
    return {
        "reason": event.data.get("error"),
        **event.data,
        "event": event.type,
        "subject": f"{event.subject_kind}/{event.subject_name}",
        "kind": event.subject_kind,
        "name": event.subject_name,
        "at": timestamp(event.at),
        "id": delivery.id,
        "count": delivery.folded + 1,
        "site": event.site,
    }


def _send(duty: DesiredNotifier, told: Told) -> str:
    found = event_types().get(told.event.type)
    level = NotifyType(found.severity) if found else NotifyType.INFO
    try:
        words = duty.wording.words(_values(told))
        return Target(duty.url.get_secret_value()).send(words, told.delivery.id, level)
    except (BadTemplateError, BadTargetError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 -- a plugin may raise anything; its text may hold a token
        return f"{UNKNOWN} ({type(error).__name__})"
