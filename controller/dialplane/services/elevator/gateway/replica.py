"""The gateway: one of several replicas that devices connect to; implements `contract.Replica`."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from starlette.types import Scope

from dialplane.api.certificate import BadCertificate, Certificate
from dialplane.api.problems import Refusal
from dialplane.api.rate_limit import Rate
from dialplane.api.server import CannotListen
from dialplane.api.socket_server import listen_for_sockets, serve_sockets
from dialplane.api.tokens import matches
from dialplane.api.websockets import Socket, SocketApplication, SocketEndpoint, SocketLimits
from dialplane.services.contract import ReplicaContext
from dialplane.services.elevator import desired
from dialplane.services.elevator.desired import DesiredDevices
from dialplane.services.elevator.gateway.connects import Connections
from dialplane.services.elevator.gateway.dispatch import Dispatcher, Enrichment
from dialplane.services.elevator.gateway.intake import Intake, Journals, PictureReceiver
from dialplane.services.elevator.gateway.metrics import REFUSED
from dialplane.services.elevator.gateway.session import DeviceClose, DeviceHandle, DeviceSession
from dialplane.services.elevator.gateway.silence import Silence
from dialplane.services.elevator.messages import PICTURE_LONGEST
from dialplane.services.elevator.reported import GATEWAY, gateway_state
from dialplane.store import StoreError
from dialplane.store.hints import Channel

log = structlog.get_logger(__name__)

PATH: Final = "/ws"
LIMITS: Final = SocketLimits(each=1000, opens=Rate(600, 60), message=PICTURE_LONGEST)
"""A right token is let in, however often: the newest connection of a device takes the place of the one before."""
LISTEN_AGAIN: Final = 10.0
HINT_SECONDS: Final = 0.1
"""Between two hints to the leader."""
STOP_WITHIN: Final = 1.5
"""Seconds for the end."""


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A device that showed its token."""

    name: str
    token_digest: bytes


class ElevatorGateway:
    """Serves the devices of one site."""

    def __init__(
        self,
        context: ReplicaContext,
        *,
        pictures: PictureReceiver | None = None,
        enrich: Enrichment | None = None,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """Serve devices.

        Args:
            context: of the replica.
            pictures: takes their pictures.
            enrich: adds to the data of commands.
            beside: what runs beside, such as the storing of pictures.
        """
        self._context = context
        self._beside = beside
        self._desired = DesiredDevices()
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self._apart: set[asyncio.Task[None]] = set()
        self._address = ""
        self._journals = Journals(context)
        self._connections = Connections(context, self._journals.note, self._opened, self._news.set)
        self._dispatcher = Dispatcher(context, self._connections, self._journals.note, self._news.set, enrich)
        self._intake = Intake(context, self._connections, self._dispatcher, self._journals, pictures, self._news.set)
        self._silence = Silence(self._connections, self._dispatcher)

    def observe(self, view: Any) -> None:
        """See `contract.Replica.observe`: connections of devices that may not connect any more are closed."""
        self._desired = desired.from_json(view)
        for session in list(self._connections.sessions.values()):
            device = self._desired.devices.get(session.name)
            if device is None:
                session.close(DeviceClose.GONE)
            elif device.token_digest != session.digest:
                session.close(DeviceClose.TOKEN_CHANGED)
            else:
                session.profile = device.profile
        if self._desired.devices:
            self._wanted.set()
        self._report()

    async def run(self) -> None:
        """See `contract.Replica.run`."""
        serving = asyncio.create_task(self._run())
        try:
            await asyncio.shield(serving)
        finally:
            flushing = asyncio.create_task(self._flush())  # first: a process that stops has a second
            serving.cancel()
            await asyncio.wait([flushing, serving], timeout=STOP_WITHIN)
            flushing.cancel()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in (self._connections, self._dispatcher, self._intake, self._journals, self._silence):
                tasks.create_task(part.run())
            for each in self._beside:
                tasks.create_task(each())
            tasks.create_task(self._send_hints())
            tasks.create_task(self._serve())

    def admit(self, scope: Scope, token: str) -> DeviceHandle:
        """Return the device that opens a socket; see `SocketEndpoint.admit`."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        name = query.get("device_id", "")
        device = self._desired.devices.get(name)
        digest = None if device is None else device.token_digest
        if not matches(token, digest) or digest is None:
            REFUSED.inc()
            raise Refusal(HTTPStatus.UNAUTHORIZED, "no device of this name has this token")
        return _Admitted(name, digest)

    async def serve(self, socket: Socket[DeviceHandle]) -> None:
        """Serve one device until its connection ends; see `SocketEndpoint.serve`."""
        device = self._desired.devices.get(socket.holder.name)
        if device is None:
            await socket.close(DeviceClose.GONE)
            return
        if device.token_digest != socket.holder.token_digest:  # since it was admitted
            await socket.close(DeviceClose.TOKEN_CHANGED)
            return
        session = DeviceSession(socket, device.profile, self._run_apart)
        self._connections.add(session)
        try:
            await session.receive(self._intake.take)
        finally:
            session.ending = session.ending or "the gateway stops"
            self._dispatcher.end(session)
            self._connections.remove(session)

    def _opened(self, session: DeviceSession) -> None:
        self._intake.opened(session)
        if session.spoke and self._connections.settle(session):
            self._dispatcher.wake()

    async def _serve(self) -> None:
        """Listen once there are devices; an address that is taken is tried again."""
        options = self._context.sockets
        if not options.listen:
            return
        await self._wanted.wait()
        endpoint = SocketEndpoint(PATH, self.admit, self.serve, LIMITS)
        app = SocketApplication([endpoint], trusted_proxies=options.trusted_proxies)
        while True:
            try:
                certificate = _certificate(options.certificate, options.key)
                sock = listen_for_sockets(options.listen)
            except (CannotListen, BadCertificate) as error:
                log.error("devices cannot connect", reason=str(error), retry_seconds=LISTEN_AGAIN)  # noqa: TRY400
                await asyncio.sleep(LISTEN_AGAIN)
                continue
            host, port = sock.getsockname()[:2]
            self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            log.info("devices may connect", address=self._address, tls=certificate is not None)
            options.announce(sock)
            self._report()
            async with asyncio.TaskGroup() as tasks:
                if certificate is not None:
                    tasks.create_task(certificate.keep_current())
                tasks.create_task(serve_sockets(app, sock, certificate.context if certificate else None))

    def _report(self) -> None:
        if self._address:
            self._context.report(GATEWAY, gateway_state(self._desired.number, self._address))

    async def _send_hints(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            with suppress(StoreError):  # the leader looks by itself, too
                await self._context.hints.send(Channel.DEVICES)
            await asyncio.sleep(HINT_SECONDS)

    async def _flush(self) -> None:
        """Write what was heard until now: devices that are back in time were never away."""
        await self._intake.flush()  # an alarm before all else: there may be no time for more
        await self._connections.close_all()
        await self._dispatcher.flush()
        await self._intake.flush()  # one that was being written when this began
        await self._journals.flush()

    def _run_apart(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)


def _certificate(certificate: Any, key: Any) -> Certificate | None:
    return None if certificate is None or key is None else Certificate(certificate, key)
