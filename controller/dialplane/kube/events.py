"""core/v1 Events on transitions and notices: what `kubectl describe` shows, written beside the status, never before it.

Guarantees: posting never delays or fails a status; at most `RATE` a second for the site; the same news about a resource
within `WINDOW` seconds is one Event whose count grows; warnings go first; what does not fit into the queue is dropped,
counted and logged.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from dialplane.kube.access import REFUSED_FOR
from dialplane.kube.addresses import EVENTS
from dialplane.kube.api import MERGE_PATCH, Api
from dialplane.kube.errors import ApiError, ForbiddenError, NotFoundError
from dialplane.kube.metrics import EVENTS_POSTED
from dialplane.resources.conditions import Condition, ConditionType, Truth
from dialplane.resources.key import Key
from dialplane.resources.manifest import API_VERSION
from dialplane.resources.moment import timestamp
from dialplane.resources.problem import Reason
from dialplane.services.contract import Notice

log = structlog.get_logger(__name__)
JSON = Any

RATE = 10.0
"""Requests a second."""
WINDOW = 600.0
"""Seconds within which the same news is folded into one Event."""
QUEUE = 1_000
GOOD_NEWS = 50
"""So long a queue takes no more Events that warn of nothing: thousands of new resources would go on for minutes."""
WARNING = "Warning"
MESSAGE_LIMIT = 1_024
"""Characters the API server admits in an Event's message."""
COMPONENT = "dialplane"


class EventSink(Protocol):
    """Where transitions are told."""

    def tell(self, key: Key, uid: str, condition: Condition) -> None:
        """Post an Event about a transition some time soon. Never waits, never raises."""


@dataclass(frozen=True, slots=True)
class _News:
    """What makes two of them the same Event."""

    key: Key
    uid: str
    about: str
    """The condition's type; empty for a notice."""
    reason: str


@dataclass(frozen=True, slots=True)
class _Said:
    """What an Event says."""

    type: str
    message: str


@dataclass(slots=True)
class _Posted:
    name: str
    count: int
    until: float


def worth_telling(condition: Condition) -> bool:
    """Accepted=True and the removal of Stalled say nothing that Ready does not say too."""
    return condition.type != ConditionType.STALLED and not (
        condition.type == ConditionType.ACCEPTED and condition.status == Truth.TRUE
    )


def event_type(condition: Condition) -> str:
    """`Warning` is for what somebody should look at."""
    return WARNING if condition.status == Truth.FALSE and condition.reason != Reason.DISABLED else "Normal"


class Events:
    """A bounded queue and one slow poster. `run` posts until cancelled."""

    def __init__(
        self, api: Api, namespace: str, instance: str, clock: Callable[[], float], may_write: Callable[[], bool]
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._instance = instance
        self._clock = clock
        self._may_write = may_write
        self._queue: OrderedDict[_News, tuple[_Said, int]] = OrderedDict()
        self._posted: OrderedDict[_News, _Posted] = OrderedDict()
        self._waiting = asyncio.Event()
        self._allowed = True
        self._refused_since: float | None = None
        self._dropping = False
        self._serial = 0

    def tell(self, key: Key, uid: str, condition: Condition) -> None:
        """See `EventSink.tell`."""
        if not worth_telling(condition):
            return
        news = _News(key, uid, condition.type, condition.reason)
        self._enqueue(news, _Said(event_type(condition), _message(condition)), 1)

    def notice(self, key: Key, uid: str, notice: Notice) -> None:
        """Post a Warning about what was noticed, some time soon. Never waits, never raises."""
        self._enqueue(_News(key, uid, "", notice.reason), _Said(WARNING, notice.message), notice.times)

    def _enqueue(self, news: _News, said: _Said, more: int) -> None:
        if not self._allowed:
            return
        _, times = self._queue.get(news, (said, 0))
        warns = said.type == WARNING
        if not times and len(self._queue) >= (QUEUE if warns else GOOD_NEWS):
            if not self._dropping:
                log.warning("events_dropped", queued=len(self._queue))
            self._dropping = True
            EVENTS_POSTED.labels("dropped").inc()
            if not warns:
                return
            self._queue.popitem()  # good news, unless there is nothing but warnings
        self._queue[news] = (said, times + more)
        if warns:
            self._queue.move_to_end(news, last=False)
        self._waiting.set()

    async def run(self) -> None:
        """Post what is queued, at most `RATE` a second, until cancelled or until the right turns out to be missing."""
        while self._allowed:
            await self._waiting.wait()
            if not self._queue:
                self._waiting.clear()
                self._dropping = False
                continue
            news, (said, times) = self._queue.popitem(last=False)
            if self._may_write():
                await self._post(news, said, times)
            await asyncio.sleep(1 / RATE)
        self._queue.clear()

    async def _post(self, news: _News, said: _Said, times: int) -> None:
        try:
            await self._fold(news, said, times)
            self._refused_since = None
        except ForbiddenError as error:
            if self._refused_since is None:
                self._refused_since = self._clock()
            self._allowed = self._clock() - self._refused_since < REFUSED_FOR
            if not self._allowed:
                log.warning("events_forbidden", error=error.message, cure="grant create and patch on events")
            EVENTS_POSTED.labels("failed").inc()
        except ApiError as error:
            log.info("event_failed", resource=str(news.key), reason=news.reason, error=str(error))
            EVENTS_POSTED.labels("failed").inc()

    async def _fold(self, news: _News, said: _Said, times: int) -> None:
        now = self._clock()
        while self._posted and next(iter(self._posted.values())).until <= now:
            self._posted.popitem(last=False)
        posted = self._posted.get(news)
        if posted is not None:
            patch = {
                "count": posted.count + times,
                "lastTimestamp": timestamp(datetime.now(UTC)),
                "message": said.message[:MESSAGE_LIMIT],
            }
            try:
                await self._api.request(
                    "PATCH", EVENTS.object(self._namespace, posted.name), body=patch, content_type=MERGE_PATCH
                )
            except NotFoundError:  # the server expires Events after an hour, or sooner
                del self._posted[news]
            else:
                posted.count += times
                EVENTS_POSTED.labels("folded").inc()
                return
        self._serial += 1
        name = f"{news.key.name}.{self._instance}-{self._serial:x}"
        await self._api.request("POST", EVENTS.collection(self._namespace), body=self._body(name, news, said, times))
        self._posted[news] = _Posted(name, times, now + WINDOW)
        EVENTS_POSTED.labels("posted").inc()

    def _body(self, name: str, news: _News, said: _Said, times: int) -> Mapping[str, JSON]:
        now = timestamp(datetime.now(UTC))
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": news.key.kind,
                "name": news.key.name,
                "namespace": self._namespace,
                "uid": news.uid,
            },
            "type": said.type,
            "reason": news.reason,
            "message": said.message[:MESSAGE_LIMIT],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": times,
        }


def _message(condition: Condition) -> str:
    said = f"{condition.type} is {condition.status}"
    return f"{said}: {condition.message}" if condition.message else said
