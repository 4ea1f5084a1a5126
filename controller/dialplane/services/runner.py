"""The services beside Asterisk, and the API in front of them, as one: begun when a site first asks for any of them.

A site of phones alone needs no database and opens no port.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Final

import structlog
from pydantic import SecretStr

from dialplane.extras import install_hint
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.key import Key
from dialplane.resources.kinds import is_confirmed, is_rendered
from dialplane.resources.problem import Reason
from dialplane.services.contract import (
    NO_SOCKETS,
    Context,
    Notice,
    Outbox,
    ReplicaSuperseded,
    Role,
    Service,
    ServiceDefinition,
    ServiceReport,
    SiteView,
    SocketOptions,
)
from dialplane.services.registry import SERVICES, mounts, scopes
from dialplane.services.site_secrets import SiteSecrets
from dialplane.storage.options import NO_STORAGE, StorageOptions

if TYPE_CHECKING:
    from dialplane.services.replica_link import ReplicaLink
    from dialplane.store.hints import Hints

log = structlog.get_logger("dialplane.services")

SUPERSEDED_SECONDS: Final = 2.0
"""Before a replica of this process is started again under another id."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How the services run."""

    store: SecretStr
    """The database's URL."""
    listen: str
    """`HOST:PORT` of the API; empty: none."""
    tokens: Path
    """The folder of API tokens."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose `X-Forwarded-For` the API believes."""
    announce: Callable[[socket], None] = lambda _: None
    """Called with the API's socket once it listens."""
    roles: tuple[Role, ...] = ()
    """Whose replicas run in this process too."""
    sockets: SocketOptions = NO_SOCKETS
    """Where those replicas take the WebSockets of devices."""
    storage: StorageOptions = NO_STORAGE
    """Where what is too large for the store is kept."""
    cache: Path | None = None
    """The folder of those replicas for what can be made again."""


def site_services(
    options: ServiceOptions,
    tell: Callable[[Key, Notice], None],
    services: Sequence[ServiceDefinition] = SERVICES,
) -> tuple[Service, ...]:
    """Return every runtime service of one site: those that need the store as one, and each of the others.

    Args:
        options: how they run.
        tell: makes an Event of a notice.
        services: those that there are.
    """
    without_store = (service.start_without_store for service in services)
    return (SiteServices(options, tell, services), *(start() for start in without_store if start is not None))


class SiteServices:
    """The services of one site that need the store; implements `contract.Service`."""

    def __init__(
        self,
        options: ServiceOptions,
        tell: Callable[[Key, Notice], None],
        services: Sequence[ServiceDefinition] = SERVICES,
    ) -> None:
        """See `site_services`."""
        self._options = options
        self._tell = tell
        self._definitions = tuple(service for service in services if service.start is not None)
        self._replicated = tuple(service for service in services if service.replicas)
        self._view: SiteView | None = None
        self._seen = asyncio.Event()
        self._wanted = {role: asyncio.Event() for role in options.roles}
        """Set once the site has a use for that role."""
        self._services: Mapping[str, Service] = {}
        self._trouble = ""

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self._view = view
        if any(service.wanted(view) for service in self._definitions):
            self._seen.set()
        for role, wanted in self._wanted.items():
            if any(service.wanted(view) for service in self._replicated if role in service.replicas):
                wanted.set()
        for service in self._services.values():
            service.observe(view)

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`."""
        for service in self._services.values():
            service.on_reports(reports)

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        if self._services:
            return {key: found for service in self._services.values() for key, found in service.reports().items()}
        if self._view is None:
            return {}
        if not self._trouble:  # they start: what was proven before this process may be proven again in a moment
            rendered = (key for key in self._view.accepted if is_rendered(key.kind) and is_confirmed(key.kind))
            return dict.fromkeys(rendered, ServiceReport(awaited=True))
        own = ((key, ConditionType.READY) for key in self._view.accepted if is_confirmed(key.kind))
        asked = (each for service in self._definitions for each in service.asked(self._view))
        return {key: ServiceReport((self._unknown(condition),)) for key, condition in (*own, *asked)}

    def _unknown(self, condition: ConditionType) -> Condition:
        return Condition(condition, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, self._trouble)

    async def run(self, changed: Callable[[], None]) -> None:
        """See `Service.run`. Whatever fails ends it; it can be run again.

        Raises:
            StoreError: the database cannot be used.
            ImportError: the extra `services` is not installed.
        """
        await self._seen.wait()
        try:
            await self._run(changed)
        except Exception as error:
            self._trouble = _cause(error)
            raise
        finally:
            self._services = {}
            changed()

    async def _run(self, changed: Callable[[], None]) -> None:
        await asyncio.to_thread(self._preload)  # takes a second or two, in which the site loop goes on
        from dialplane.store import Store  # noqa: PLC0415 -- most sites need none of it

        view = self._view
        assert view is not None  # noqa: S101 -- it was waited for
        store = await asyncio.to_thread(Store.open, self._options.store.get_secret_value())
        try:
            log.info("store opened", store=str(store))
            context = Context(store, view.snapshot.namespace, self._notice, Outbox(), storage=self._options.storage)
            hints = self._hints(context)
            links = {} if hints is None else self._links(context, hints)
            self._services = {
                each.name: each.start(replace(context, replicas=links.get(each.name, context.replicas), hints=hints))
                for each in self._definitions
                if each.start is not None
            }
            for service in self._services.values():
                service.observe(view)
            self._trouble = ""
            changed()
            async with asyncio.TaskGroup() as tasks:
                for name, service in self._services.items():
                    tasks.create_task(service.run(changed), name=name)
                for name, link in links.items():
                    tasks.create_task(link.run(changed), name=f"replicas of {name}")
                if hints is not None:
                    tasks.create_task(hints.run(), name="hints")
                    for role in self._options.roles:
                        tasks.create_task(self._run_role(role, context, hints), name=f"replica: {role}")
                if self._options.listen:
                    tasks.create_task(self._listen(context), name="API")
        finally:
            await asyncio.to_thread(store.close)

    def _hints(self, context: Context) -> "Hints | None":
        if not self._replicated:
            return None
        from dialplane.store.hints import Hints  # noqa: PLC0415 -- as above

        return Hints(context.store, context.site)

    def _links(self, context: Context, hints: "Hints") -> "dict[str, ReplicaLink]":
        from dialplane.services.replica_link import ReplicaLink  # noqa: PLC0415 -- as above

        names = (service.name for service in self._replicated if service.start is not None)
        return {name: ReplicaLink(context.store, hints, context.site, name, self._leads) for name in names}

    def _leads(self) -> bool:
        return self._view is not None and self._view.leads()

    async def _run_role(self, role: Role, context: Context, hints: "Hints") -> None:
        await self._wanted[role].wait()  # a replica renews its lease in the database for as long as it runs
        from dialplane.services.replica_runner import run_replicas  # noqa: PLC0415 -- as above

        while True:
            try:
                await run_replicas(
                    context.store,
                    hints,
                    context.site,
                    [role],
                    self._replicated,
                    sockets=self._options.sockets,
                    storage=self._options.storage,
                    secrets=SiteSecrets(lambda: self._view),
                    cache=self._options.cache,
                )
            except ReplicaSuperseded as error:
                log.error("replica replaced", role=role, reason=str(error), retry_seconds=SUPERSEDED_SECONDS)  # noqa: TRY400 -- the message is all
                await asyncio.sleep(SUPERSEDED_SECONDS)

    async def _listen(self, context: Context) -> None:
        """Serve the API; an address that is taken is tried again, the services go on meanwhile."""
        from dialplane.api import application, server  # noqa: PLC0415 -- as above
        from dialplane.api.dependencies import Api  # noqa: PLC0415 -- as above
        from dialplane.api.tokens import Tokens  # noqa: PLC0415 -- as above

        api = Api(
            store=context.store,
            site=context.site,
            tokens=Tokens(self._options.tokens, scopes(self._definitions)),
            mounts=mounts(self._definitions),
            services=self._services,
            wake_outbox=context.outbox.wake,
            trusted_proxies=self._options.trusted_proxies,
        )
        while True:
            try:
                sock = server.listen(self._options.listen)
            except server.CannotListen as error:
                log.error("no API", reason=str(error))  # noqa: TRY400 -- the message is all
                await asyncio.sleep(30)
                continue
            log.info("API listens", address=":".join(map(str, sock.getsockname()[:2])))
            self._options.announce(sock)
            await application.serve(api, sock)

    def _notice(self, key: Key, reason: str, message: str) -> None:
        self._tell(key, Notice(reason, message))

    def _preload(self) -> None:
        from dialplane.api import application  # noqa: F401, PLC0415 -- as above

        for service in self._definitions:
            service.preload()
        gc.freeze()  # what was imported stays: a collection that looks through it holds everything up for 0.1 s


def _cause(error: BaseException) -> str:
    """Why there are no services, for a condition; other errors than our own may hold anything."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ImportError):
        return install_hint(error, "services") or str(error)
    with suppress(ImportError):
        from dialplane.store import StoreError  # noqa: PLC0415 -- as above

        if isinstance(error, StoreError):
            return str(error)
    return f"the services failed ({type(error).__name__}): the controller's log says more"
