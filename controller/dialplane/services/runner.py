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
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from dialplane.extras import install_hint
from dialplane.resources.conditions import Condition, ConditionType, Report, Truth
from dialplane.resources.dongle import DongleSpec
from dialplane.resources.key import Key
from dialplane.resources.kinds import KINDS, is_rendered
from dialplane.resources.problem import Reason
from dialplane.services.contract import Notice, Service, ServiceReport, SiteView
from dialplane.services.voicemail.task import mailed

if TYPE_CHECKING:
    from dialplane.api import Api
    from dialplane.services.infinity.service import InfinityService
    from dialplane.services.sms.service import SmsService
    from dialplane.store import Store

log = structlog.get_logger("dialplane.services")


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
    """Told of the API's socket once it listens."""


class SiteServices:
    """Every runtime service of one site; implements `Service`."""

    def __init__(self, options: ServiceOptions, tell: Callable[[Key, Notice], None]) -> None:
        """Run as `options` say; `tell` makes an Event of a notice."""
        self._options = options
        self._tell = tell
        self._view: SiteView | None = None
        self._seen = asyncio.Event()
        self._services: Sequence[Service] = ()
        self._trouble = ""

    def observe(self, view: SiteView) -> None:
        """See `Service.observe`."""
        self._view = view
        if any(KINDS[key.kind].service for key in view.snapshot.resources) or mailed(view):
            self._seen.set()
        for service in self._services:
            service.observe(view)

    def on_reports(self, reports: Mapping[Key, Report]) -> None:
        """See `Service.on_reports`."""
        for service in self._services:
            service.on_reports(reports)

    def reports(self) -> Mapping[Key, ServiceReport]:
        """See `Service.reports`."""
        if self._services:
            return {key: said for service in self._services for key, said in service.reports().items()}
        if not self._trouble or self._view is None:
            return {}
        unknown = Condition(ConditionType.READY, Truth.UNKNOWN, Reason.STORE_UNAVAILABLE, self._trouble)
        unmailed = replace(unknown, type=ConditionType.MAIL_DELIVERABLE)
        return {key: ServiceReport((unknown,)) for key in self._view.accepted if not is_rendered(key.kind)} | {
            key: ServiceReport((unmailed,)) for key in mailed(self._view)
        }

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
            self._services = ()
            changed()

    async def _run(self, changed: Callable[[], None]) -> None:
        await asyncio.to_thread(_import)  # takes a second or two, in which the site loop goes on
        from dialplane.services.infinity.service import InfinityService  # noqa: PLC0415 -- most sites need none of it
        from dialplane.services.notify.service import NotifyService  # noqa: PLC0415 -- as above
        from dialplane.services.sms.service import SmsService  # noqa: PLC0415 -- as above
        from dialplane.services.voicemail.service import VoicemailService  # noqa: PLC0415 -- as above
        from dialplane.store import Store  # noqa: PLC0415 -- as above

        view = self._view
        assert view is not None  # noqa: S101 -- it was waited for
        store = await asyncio.to_thread(Store.open, self._options.store.get_secret_value())
        try:
            log.info("store opened", store=str(store))
            notify = NotifyService(store)
            sms = SmsService(store, view.snapshot.namespace, tell=self._notice, happened=notify.wake)
            infinity = InfinityService(store, view.snapshot.namespace, tell=self._notice)
            voicemail = VoicemailService(store, view.snapshot.namespace)
            self._services = (sms, infinity, notify, voicemail)
            for service in self._services:
                service.observe(view)
            self._trouble = ""
            changed()
            async with asyncio.TaskGroup() as tasks:
                for service in self._services:
                    tasks.create_task(service.run(changed))
                if self._options.listen:
                    tasks.create_task(self._listen(store, view.snapshot.namespace, sms, infinity, notify.wake))
        finally:
            await asyncio.to_thread(store.close)

    async def _listen(
        self,
        store: "Store",
        site: str,
        sms: "SmsService",
        infinity: "InfinityService",
        wake_notifier: Callable[[], None],
    ) -> None:
        """Serve the API; an address that is taken is tried again, the services go on meanwhile."""
        from dialplane import api as web  # noqa: PLC0415 -- as above
        from dialplane.api import server  # noqa: PLC0415 -- as above
        from dialplane.services.sms.outbox import enqueue  # noqa: PLC0415 -- as above

        api: Api = web.Api(
            store=store,
            site=site,
            tokens=web.Tokens(self._options.tokens),
            enqueue=enqueue,
            dongles=lambda: {name: spec.group for name, spec in self._dongles().items()},
            forward_to=lambda name: spec.sms.forward_to if (spec := self._dongles().get(name)) else (),
            waits=sms.waits,
            wake_sender=sms.wake,
            wake_notifier=wake_notifier,
            infinity=infinity,
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
            await web.serve(api, sock)

    def _dongles(self) -> dict[str, DongleSpec]:
        view = self._view
        if view is None:
            return {}
        return {r.key.name: spec for r, spec in view.snapshot.of(DongleSpec) if r.key in view.accepted}

    def _notice(self, key: Key, reason: str, message: str) -> None:
        self._tell(key, Notice(reason, message))


def _import() -> None:
    from dialplane import api as web  # noqa: F401, PLC0415 -- as above
    from dialplane.services.infinity import service as calls  # noqa: F401, PLC0415 -- as above
    from dialplane.services.notify.target import prepare  # noqa: PLC0415 -- as above
    from dialplane.services.sms import service  # noqa: F401, PLC0415 -- as above
    from dialplane.services.voicemail import service as voicemail  # noqa: F401, PLC0415 -- as above

    prepare()
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
