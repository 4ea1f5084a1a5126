"""kopf, kept in a thread of its own, where it does nothing but hand watch events over.

Why a thread: inside another loop kopf cancels other people's tasks at its stop, takes over the signals, and kills the
process after a timeout (facts). Why only `on.event`: every other kind of handler writes to the objects (finalizers,
annotations) or grows with the square of their number. Guarantees: nothing is ever written by kopf; every event reaches
`deliver` in the caller's loop, in kopf's order; when kopf dies it is started again, and when it keeps dying `run` says
so.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import kopf
import structlog

from dialplane.kube.addresses import SECRETS, Address
from dialplane.kube.errors import WatchBrokenError

log = structlog.get_logger(__name__)
JSON = Any

Deliver = Callable[[str, str | None, JSON], None]

AT_ONCE = 200
"""Events handled before the loop gets its turn: about 20 ms."""
PATIENCE = 0.3
"""Seconds for kopf to stop: it usually takes 0.1."""
RESTARTS = 5
BACKOFFS = (1, 2, 3, *(5,) * 10)
"""Seconds between the attempts of one request, before kopf gives up."""
HEALTHY_AFTER = 120.0
"""A thread that lived so long (seconds) starts the count of restarts anew."""


def settings_for(addresses: Iterable[Address]) -> kopf.OperatorSettings:
    """Kopf's settings; each is there for a trap named in docs or facts."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # no rights on CRDs and namespaces; a missing kind is our own error
    settings.posting.enabled = False  # Events are our own
    settings.peering.standalone = True  # a peering pause would close the watches: the loser could not wait warm
    settings.process.ultimate_exiting_timeout = None  # else kopf kills the process that it is a guest in
    settings.queueing.exit_timeout = 0.2
    settings.queueing.idle_timeout = 1.0  # one idle task per object that spoke lately: keep them short-lived
    settings.networking.request_timeout = 60.0
    settings.networking.error_backoffs = BACKOFFS  # by default up to 21 s: so late it would see that the server is back
    for address in addresses:
        if address.field_selector:
            settings.watching.field_selectors[address.group, address.version, address.plural] = address.field_selector
    return settings


def registry_for(
    addresses: Iterable[Address], connection: Callable[[], Awaitable[kopf.ConnectionInfo]], hand_over: Deliver
) -> kopf.OperatorRegistry:
    """One event handler per kind and one login; kopf's default registry is left empty."""
    registry = kopf.OperatorRegistry()

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await connection()

    kopf.on.login(registry=registry, id="login")(login)
    for address in addresses:

        async def handle(event: JSON, kind: str = address.kind, **_: Any) -> None:
            hand_over(kind, event["type"], event["object"])

        kopf.on.event(address.group, address.version, address.plural, registry=registry, id=address.plural)(handle)
    return registry


@dataclass
class _Guest:
    """kopf in its thread, and how to see it off."""

    ended: asyncio.Future[BaseException | None]
    stop: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[None] | None = None

    async def leave(self) -> None:
        """Ask it to stop, then make it, then leave it behind; each takes `PATIENCE` seconds at most.

        Asked while it still looks for its kinds, kopf closes its own connections and waits five seconds for requests
        over them. Left behind, its daemon thread can do no harm: it writes nothing, and the process is ending.
        """
        self.stop.set()
        logger = logging.getLogger("kopf")
        level = logger.level
        logger.setLevel(logging.CRITICAL)  # its complaints about its own closed connections
        try:
            await asyncio.wait([self.ended], timeout=PATIENCE)
            if not self.ended.done() and self.loop is not None and self.task is not None:
                with contextlib.suppress(RuntimeError):
                    self.loop.call_soon_threadsafe(self.task.cancel)
                await asyncio.wait([self.ended], timeout=PATIENCE)
        finally:
            logger.setLevel(level)
        if not self.ended.done():
            log.info("kopf_left_behind")


class Watch:
    """The watches of one namespace."""

    def __init__(
        self,
        namespace: str,
        addresses: Iterable[Address],
        connection: Callable[[], Awaitable[kopf.ConnectionInfo]],
        deliver: Deliver,
    ) -> None:
        self._namespace = namespace
        self._addresses = (*addresses, SECRETS)
        self._connection = connection
        self._deliver = deliver
        self._events: deque[tuple[str, str | None, JSON]] = deque()
        self._loop = asyncio.get_running_loop()

    async def run(self, examine: Callable[[], Awaitable[None]]) -> None:
        """Watch until cancelled. When kopf ends by itself, `examine` looks for a cause that a restart cannot cure.

        Raises:
            WatchBrokenError: kopf ended `RESTARTS` times in short order.
            FatalError: what `examine` found.
        """
        failures = 0
        while True:
            started = self._loop.time()
            error = await self._run_once()
            failures = 1 if self._loop.time() - started > HEALTHY_AFTER else failures + 1
            log.warning("watch_ended", error=repr(error), failures=failures)
            await examine()
            if failures > RESTARTS:
                raise WatchBrokenError(f"the watch of namespace {self._namespace} keeps ending: {error!r}") from error
            await asyncio.sleep(min(2.0**failures, 30.0))

    async def _run_once(self) -> BaseException | None:
        guest = _Guest(self._loop.create_future())
        threading.Thread(target=self._thread, args=(guest,), name="kopf", daemon=True).start()
        try:
            return await asyncio.shield(guest.ended)
        finally:
            await guest.leave()

    def _thread(self, guest: "_Guest") -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._operator(guest))
        except BaseException as caught:  # noqa: BLE001 -- the thread's end is judged in the root loop
            error = caught
        with contextlib.suppress(RuntimeError):  # the root loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(_resolve, guest.ended, error)

    async def _operator(self, guest: "_Guest") -> None:
        guest.loop, guest.task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            await kopf.operator(
                registry=registry_for(self._addresses, self._connection, self._hand_over),
                settings=settings_for(self._addresses),
                namespaces=[self._namespace],
                standalone=True,
                stop_flag=guest.stop,
            )
        finally:
            guest.stop.set()  # a thread of the loop's executor waits for it, and the loop's end for that thread

    def _hand_over(self, kind: str, type_: str | None, obj: JSON) -> None:
        """In kopf's thread. One wake-up serves all events until the root loop takes them."""
        self._events.append((kind, type_, obj))
        if len(self._events) == 1:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        """In the root loop. An event leaves the queue after it was handled, so that a wake-up is never missing."""
        for _ in range(AT_ONCE):
            if not self._events:
                return
            try:
                self._deliver(*self._events[0])
            except Exception:
                log.exception("event_not_understood", kind=self._events[0][0])
            self._events.popleft()
        if self._events:
            self._loop.call_soon(self._take)


def _resolve(ended: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)
