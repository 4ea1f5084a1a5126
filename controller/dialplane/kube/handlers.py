"""kopf's handlers: where Kubernetes comes in.

Each of Dialplane's kinds has one handler, `@kopf.on.event`, which hands what kopf heard to the inventory. Why no other
kind of handler: those write finalizers and annotations into the resources, and a site is reconciled as a whole, from a
snapshot of the inventory. Secrets and ConfigMaps have a watch of their own (`watching`).

Where further handlers go: into `Handlers.registry`, with what they need in `Handlers.settings`, before `Handlers.run`.
For admission that is `@kopf.on.validate(..., registry=handlers.registry)` and `handlers.settings.admission`.

kopf runs in the root loop, by `spawn_tasks`: `kopf.operator` would cancel the tasks of others at its end. Guarantees:

- kopf writes nothing, and the signals stay ours;
- a handler that fails, and kopf if it ends or stalls, ends the process with a message (kopf would log it and go on);
- a stop takes a tenth of a second, whatever kopf is at.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

import kopf
import structlog

from dialplane.kube.addresses import Address
from dialplane.kube.errors import FatalError, HandlersEndedError
from dialplane.kube.kopf_session import LASTS, KopfSession
from dialplane.kube.reading import PAGE
from dialplane.logs import log_unexpected

log = structlog.get_logger(__name__)
JSON = Any

Deliver = Callable[[str, str | None, JSON], None]
"""Takes a kind, the type of an event (None for an object of a LIST), and the object."""

LOOKED_AFTER = 30.0
"""Seconds between two looks at whether kopf goes on."""
STOP_ROUNDS = 10
"""How often kopf's tasks are waited for, `AGAIN` seconds each, until they count as late. The clock does not say so: a
loop that something else held up has given them no turn."""
AGAIN = 0.1
"""Seconds until a watcher that goes on is cancelled once more. kopf usually stops in half of them."""
WATCHER = "watcher for "
"""How the names of the tasks begin that watch a kind."""
FOR_EVER = 1e9
"""Seconds of kopf's own limits: ours are in `kopf_session`, where a silent watch is told from a quiet one."""


class _NoDifference(kopf.DiffBaseStorage):
    """Keeps nothing: the inventory knows by the generation what changed, and kopf copies no object to compare it."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:  # noqa: ARG002
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:
        pass

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """Keeps nothing: an event is handled once."""

    def fetch(self, *, key: Any, body: Any) -> None:
        pass

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        pass

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        pass

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        pass

    def clear(self, *, essence: Any) -> Any:
        return essence


class Handlers:
    """kopf, with the handlers of Dialplane's kinds."""

    def __init__(
        self,
        namespace: str,
        addresses: Iterable[Address],
        session: KopfSession,
        deliver: Deliver,
        fail: Callable[[FatalError], None],
    ) -> None:
        """Register the handlers. `deliver` takes each event, in order for each object; `fail` ends the process."""
        self.registry = kopf.OperatorRegistry()
        self.settings = _settings()
        self._namespace = namespace
        self._session = session
        self._deliver = deliver
        self._fail = fail

        @kopf.on.login(registry=self.registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return kopf.AiohttpSession(server=session.server, aiohttp_session=session.open())

        for address in addresses:
            self._register(address)

    async def run(self, take_signals: Callable[[], None]) -> None:
        """Run kopf until cancelled. `take_signals` sets the handlers of signals again, which kopf takes over.

        Raises:
            HandlersEndedError: kopf ended, or stands still.
        """
        tasks = await self._spawn(take_signals)
        try:
            while True:
                done, _ = await asyncio.wait(tasks, timeout=LOOKED_AFTER, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    raise _ended(done)
                if reason := self._session.stalled():
                    raise HandlersEndedError(f"kopf stands still: {reason}; ending, so that the next start sees it")
        finally:
            await _stop(tasks)

    def _register(self, address: Address) -> None:
        @kopf.on.event(address.group, address.version, address.plural, registry=self.registry, id=address.plural)
        async def changed(event: JSON, **_: Any) -> None:
            self._handle(address.kind, event["type"], event["object"])

    def _handle(self, kind: str, type_: str | None, obj: JSON) -> None:
        try:
            self._deliver(kind, type_, obj)
        except FatalError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 -- kopf would log it and go on
            name = obj["metadata"]["name"]
            log_unexpected("handler_failed", error, kind=kind, name=name)
            self._fail(
                HandlersEndedError(f"the handler of {kind}/{name} failed: {type(error).__name__}; please report it")
            )
        self._session.handled(kind, obj)

    async def _spawn(self, take_signals: Callable[[], None]) -> Collection[asyncio.Task[Any]]:
        """Start kopf's tasks; a cancellation meanwhile does not lose them."""

        async def spawn() -> Collection[asyncio.Task[Any]]:
            tasks = await kopf.spawn_tasks(registry=self.registry, settings=self.settings, namespaces=[self._namespace])
            take_signals()  # at once: no signal comes in between
            return tasks

        asyncio.get_running_loop().set_exception_handler(_report)
        for name in ("kopf", "kopf.objects"):  # what matters of its words reaches us as an answer or an exception
            logging.getLogger(name).setLevel(logging.CRITICAL)
        spawning = asyncio.create_task(spawn())
        try:
            return await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await _stop(await spawning)
            raise


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.process.ultimate_exiting_timeout = None
    settings.queueing.worker_limit = 100
    settings.queueing.idle_timeout = 0.01  # of a worker, which is in the way of others; with 0 it spins on Python 3.11
    settings.queueing.exit_timeout = 0.2
    settings.queueing.error_delays = ()
    settings.watching.chunk_size = int(PAGE)
    settings.watching.server_timeout = LASTS
    settings.watching.reconnect_backoff = 0.0  # the session waits
    settings.watching.inactivity_timeout = FOR_EVER
    settings.networking.request_timeout = FOR_EVER
    settings.networking.error_backoffs = ()
    settings.persistence.diffbase_storage = _NoDifference()
    settings.persistence.progress_storage = _NoProgress()
    return settings


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that nobody awaits, as the loop does by itself, but for one that says nothing.

    kopf, stopped in the middle of a LIST, leaves a generator behind that cannot be closed while the loop ends.
    """
    if getattr(context.get("asyncgen"), "__name__", "") != "infinite_watch":
        loop.default_exception_handler(context)


def _ended(done: Iterable[asyncio.Task[Any]]) -> HandlersEndedError:
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log_unexpected("kopf_ended", error, task=task.get_name())
            return HandlersEndedError(f"kopf ended: {type(error).__name__} (kopf_ended in the log says where)")
    return HandlersEndedError(f"kopf ended by itself ({', '.join(task.get_name() for task in done)})")


async def _stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel kopf's tasks and its watchers, which it leaves behind where one of them failed.

    Again and again: kopf swallows a cancellation that meets the end of a watch. And not all tasks of the loop at once,
    as `asyncio.run` does: a watcher waits for its workers, and those for helper tasks, without which it never ends.
    """
    left = set(tasks)
    for task in left:
        task.cancel()
    for _ in range(STOP_ROUNDS):
        left = _unfinished(left) | {task for task in asyncio.all_tasks() if task.get_name().startswith(WATCHER)}
        if not left:
            return
        for task in left:
            if task.get_name().startswith(WATCHER):
                task.cancel()
        await asyncio.wait(left, timeout=AGAIN)
    if left := _unfinished(left):
        log.warning("kopf_stops_late", tasks=sorted(task.get_name() for task in left))


def _unfinished(tasks: Iterable[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Those that go on; the errors of the others were seen by `_ended`, or are of no interest any more."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
    return {task for task in tasks if not task.done()}
