"""The whole operator: what starts when, what ends with what, and the one message it ends with.

The root loop owns the signals. Start: rights, then kopf with its handlers, and the watch of Secrets and ConfigMaps;
once all kinds were listed, the site loop runs while the lease is held. Whatever ends by an error ends the process;
SIGTERM ends everything within a second, with exit code 0.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

import structlog

from dialplane.api import probes, server
from dialplane.kube import metrics, web
from dialplane.kube.access import REFUSED_FOR, WANTED, Right, Rights, needed
from dialplane.kube.addresses import Address, custom
from dialplane.kube.admission import AdmissionHandler
from dialplane.kube.api import Api, Connection, KubeApi
from dialplane.kube.asterisk_pod import AsteriskPod
from dialplane.kube.credentials import SecretStore
from dialplane.kube.deletions import VouchedSource, Whole
from dialplane.kube.errors import ApiError, FatalError, ForbiddenError, KubeError, UnavailableError
from dialplane.kube.events import Events
from dialplane.kube.handlers import Handlers
from dialplane.kube.inventory import CONFIG_MAP, SECRET, Inventory, Reference
from dialplane.kube.kopf_session import KopfSession
from dialplane.kube.lease import Alone, Lease
from dialplane.kube.lease_thread import LeaseThread
from dialplane.kube.reading import Reader
from dialplane.kube.remover import Remover
from dialplane.kube.source import KubeSource
from dialplane.kube.status_writer import StatusWriter
from dialplane.kube.watching import Watch
from dialplane.kube.webhook import Webhook
from dialplane.logs import configure_logs
from dialplane.reconcile.site import Ports
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.references import config_map_refs, secret_refs
from dialplane.services.contract import Notice, Notices, Service
from dialplane.tasks import Backoff, retry, run_together, run_until

log = structlog.get_logger(__name__)

RELEASE_LIMIT = 0.7
GC_AFTER = 50_000
"""Objects until the garbage collector looks; at the usual 700 it takes a fifth of the CPU that fills the inventory."""
BACKOFF = Backoff(0.5, 10)
"""Between two attempts at a step of the start, while the API server does not answer."""
PBX = "Asterisk"


class Site(Protocol):
    """`reconcile.site.SiteLoop`, as far as the operator knows it."""

    converged: asyncio.Event
    """Set while the last pass ended well."""

    async def run(self) -> None:
        """Reconcile until cancelled."""

    @property
    def connected(self) -> bool:
        """Whether Asterisk is connected now."""


def _identity() -> str:
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}-{uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Options:
    """How to run.

    `site` makes a new site loop for each term of leadership. `listen` empty: no web server. `lease` False: for a single
    process with no other beside it.
    """

    namespace: str
    site: Callable[[Ports], Site]
    services: Callable[[Notices], Sequence[Service]] = lambda _: ()
    """Makes what serves the site beside Asterisk, for each term of leadership."""
    connection: Connection = field(default_factory=Connection)
    listen: str = ":8080"
    lease: bool = True
    lease_name: str = "dialplane"
    lease_seconds: float = 13.0
    asterisk_pod: str = ""
    """The pod to delete for a restart of Asterisk; empty: nobody can restart it."""
    identity: str = field(default_factory=_identity)
    resync_seconds: float = 600.0
    numbers_every: float = 60.0
    log_level: str = "INFO"
    webhook: Webhook | None = None
    """Where admission reviews are answered; None: nowhere."""


def references(resource: Resource) -> set[Reference]:
    """The Secrets and ConfigMaps that a resource refers to; an invalid one refers to none."""
    if resource.spec is None:
        return set()
    secrets = {(SECRET, name) for _, name, _ in secret_refs(resource.spec, resource.key.name)}
    return secrets | {(CONFIG_MAP, name) for _, name, _ in config_map_refs(resource.spec)}


def addresses() -> dict[str, Address]:
    """Where each of Dialplane's kinds is kept."""
    return {kind.name: custom(kind.name, kind.plural) for kind in KINDS.values()}


def run_operator(options: Options) -> int:
    """Run until SIGTERM or SIGINT; return the exit code: 0 after a signal, 1 where the work could not be done."""
    configure_logs(options.log_level)
    gc.freeze()  # what was imported stays
    gc.set_threshold(GC_AFTER, *gc.get_threshold()[1:])
    try:
        asyncio.run(_main(options))
    except FatalError as error:
        log.error("operator_ends", error=type(error).__name__, message=str(error))  # noqa: TRY400 -- the message is all
        return 1
    except KubeError as error:
        log.error("operator_ends", error=type(error).__name__, message=f"the API server: {error}")  # noqa: TRY400
        return 1
    return 0


async def _main(options: Options) -> None:
    stop = asyncio.Event()
    _take_signals(stop)
    async with KubeApi(await options.connection.configuration()) as api:
        await Operator(options, api).run(stop)


def _take_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT set the event, also where something else handled them before."""
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)


class Operator:
    """All parts of one running operator, wired."""

    def __init__(self, options: Options, api: KubeApi) -> None:
        self._options = options
        self._started = time.monotonic()
        self._api = api
        self._site: Site | None = None
        self._barrier = asyncio.Event()
        self._fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._checks: set[asyncio.Task[None]] = set()
        namespace, self._addresses = options.namespace, addresses()
        self._lease_name = options.lease_name if options.lease else ""
        self.inventory = Inventory(namespace, tuple(self._addresses), parse, references)
        self.source = KubeSource(self.inventory)
        self._rights = Rights(api, namespace)
        self._reader = Reader(api, self.inventory, self._addresses.values(), self._fed, self._rights)
        session = KopfSession(api, self.inventory, self._reader, self._addresses.values(), self._fed, self._fail)
        self.handlers = Handlers(namespace, self._addresses.values(), session, self._deliver, self._fail)
        if options.webhook is not None:
            admission = AdmissionHandler(self.inventory, self._reader.read)
            admission.register(self.handlers.registry)
            self.handlers.settings.admission.server = admission.guard(options.webhook)
        self._lease = _lease(options, self.source.touch) if options.lease else Alone()
        pod = options.asterisk_pod
        self._supervisor = AsteriskPod(api, self._rights, namespace, pod) if pod else None
        self._whole = Whole(api, namespace, self._addresses.values(), self._rights, lease=options.lease)
        self._events = Events(api, namespace, options.identity, time.monotonic, self._lease.held)
        self.sink = StatusWriter(
            api=api,
            inventory=self.inventory,
            addresses=self._addresses,
            leadership=self._lease,
            events=self._events,
            reread=self._reader.read,
            touch=self.source.touch,
            refused=self._refused,
            clock=time.monotonic,
            numbers_every=options.numbers_every,
        )
        self._credentials = SecretStore(
            api, self.inventory, self._lease, self._events, self.source.touch, time.monotonic
        )

        self._remover = Remover(api, namespace, self._addresses, self._lease, time.monotonic)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then release the lease.

        Raises:
            FatalError: with the message to end with.
        """
        parts: list[Coroutine[Any, Any, None]] = [self._work(stop), self._failure()]
        if self._options.listen:
            app = probes.application("Dialplane operator", self.unready, self._refresh)
            parts.append(server.serve(app, web.listen(self._options.listen)))
        try:
            await run_until(stop, *parts)
        finally:
            with contextlib.suppress(TimeoutError):  # the successor then waits for the lease to expire
                async with asyncio.timeout(RELEASE_LIMIT):
                    await self._lease.release()
            log.info("operator_stopped", seconds=round(time.monotonic() - self._started, 1))

    def unready(self) -> list[str]:
        """Why the process is not ready; standing by for the lease is, and so is a site that asks for no Asterisk."""
        if not self.inventory.passed:
            return [f"not yet seen: {', '.join(self.inventory.waiting_for)}"]
        if self._site is None or not self.inventory.count(PBX):
            return []
        reasons = [] if self._site.connected else ["Asterisk is not connected"]
        return reasons if self._site.converged.is_set() else [*reasons, "the last pass did not end well"]

    async def _work(self, stop: asyncio.Event) -> None:
        log.info("operator_starting", namespace=self._options.namespace, identity=self._options.identity)
        await _retry_unavailable(self._check_rights)
        watch = Watch(self._api, self._options.namespace, self._reader, self._deliver)
        await run_together(
            self.handlers.run(lambda: _take_signals(stop)),
            watch.run(),
            self._after_barrier(),
            self._events.run(),
            self.sink.keep_numbers_fresh(),
        )

    async def _check_rights(self) -> None:
        await self._rights.demand(needed(self._addresses.values(), lease=self._lease_name))
        if lacking := await self._rights.missing(WANTED):
            log.warning(
                "rights_wanted",
                missing=[str(r) for r in lacking],
                effect="no Events on transitions, or old messages stay",
            )

    async def _after_barrier(self) -> None:
        await self._barrier.wait()
        seconds = time.monotonic() - self._started
        metrics.BARRIER_SECONDS.set(seconds)
        counts = {kind: self.inventory.count(kind) for kind in self._addresses}
        log.info("barrier_passed", seconds=round(seconds, 2), **counts)
        self._rights.patience = REFUSED_FOR
        await run_together(self._reader.keep_reading(self._options.resync_seconds), self._lead())

    async def _lead(self) -> None:
        """One term of leadership after the other."""
        while True:
            await self._leadership(self._lease.acquire)
            await self._serve_term()
            gc.collect()  # a site loop is a circle of references, and its plan the largest thing there is

    async def _serve_term(self) -> None:
        """A new site loop, until the term is over."""
        self.source.restart()
        self.sink.begin_term()
        source = VouchedSource(self.source, self._whole.check, self._fail)
        ports = Ports(
            source,
            self.sink,
            self._credentials,
            self._lease,
            self._supervisor,
            self,
            services=self._options.services(self),
            remover=self._remover,
        )
        self._site = self._options.site(ports)
        term = asyncio.create_task(self._leadership(self._lease.renew))
        site = asyncio.create_task(self._site.run())
        try:
            done, _ = await asyncio.wait({term, site}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            term.cancel()
            site.cancel()
            await asyncio.wait({term, site})
            self._site = None
        for task in done:
            task.result()
        if site in done:
            raise FatalError("the site loop ended by itself")

    async def _leadership(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step of the lease; a refusal is waited out, or a missing right."""

        async def judged() -> None:
            try:
                await step()
            except ForbiddenError as error:
                raise await self._rights.explain(error, needed((), lease=self._lease_name)) from error

        await _retry_unavailable(judged)

    def _deliver(self, kind: str, type_: str | None, obj: Any) -> None:
        metrics.WATCH_EVENTS.labels(kind).inc()
        self.inventory.event(kind, type_, obj)
        self._fed()

    def tell(self, key: Key, notice: Notice) -> None:
        """See `reconcile.ports.Notices`."""
        held = self.inventory.held(key)
        if held is not None:
            self._events.notice(key, held.uid, notice)

    def _fed(self) -> None:
        self.source.fed()
        self._reader.look()
        if self.inventory.passed:
            self._barrier.set()

    def _refused(self, kind: str, error: ForbiddenError) -> None:
        """A status patch got a 403: a missing right ends the process, an admission webhook's opinion does not."""
        task = asyncio.get_running_loop().create_task(self._judge(kind, error))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _judge(self, kind: str, error: ForbiddenError) -> None:
        try:
            lacking = await self._rights.missing([Right("patch", self._addresses[kind], "status")])
        except ApiError as unanswered:
            log.warning("access_review_failed", error=str(unanswered))
            return
        if not lacking:
            log.error("status_denied", kind=kind, error=error.message)
        elif self._rights.lasts():
            self._fail(self._rights.refusal(lacking))

    def _fail(self, error: FatalError) -> None:
        if not self._fatal.done():
            self._fatal.set_exception(error)

    async def _failure(self) -> None:
        await self._fatal

    def _refresh(self) -> None:
        for kind in self._addresses:
            metrics.OBJECTS.labels(kind).set(self.inventory.count(kind))


async def _retry_unavailable(step: Callable[[], Awaitable[None]]) -> None:
    """Take a step of the start; while the API server does not answer, try again."""

    def warn(error: UnavailableError, wait: float) -> None:
        log.warning("api_unavailable", error=str(error), retry_seconds=wait)

    await retry(step, errors=UnavailableError, backoff=BACKOFF, on_error=warn)


def _lease(options: Options, regained: Callable[[], None]) -> LeaseThread:
    """The gap between a deposed one's last write and its successor's first is 20 % of the duration."""
    seconds = options.lease_seconds
    make = partial(
        Lease,
        namespace=options.namespace,
        name=options.lease_name,
        identity=options.identity,
        duration=seconds,
        renew_deadline=seconds * 0.8,
        renew_every=seconds * 0.58,
        look_every=seconds * 0.11,
    )
    return LeaseThread(partial(_connected, options.connection), make, regained)


@contextlib.asynccontextmanager
async def _connected(connection: Connection) -> AsyncIterator[Api]:
    async with KubeApi(await connection.configuration()) as api:
        yield api
