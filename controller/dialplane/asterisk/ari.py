"""ARI, Asterisk's REST interface: aioari behind one class, with what calls need of it.

aioari knows the API from Asterisk's own descriptions and reads the events. What it lacks is here and in `ari_http`: one
listener for all events, a task for each of them, time limits, errors of ours, and an application that is opened again
whatever happened to its socket, to the network or to Asterisk.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any, Final, NoReturn, Self

import aioari
import structlog
from pydantic import SecretStr

from dialplane.asterisk.ari_http import AriHttp
from dialplane.asterisk.ari_objects import AriApplication, AriChannel, AriEvent, StasisStart, event_of
from dialplane.asterisk.errors import (
    ActionRefused,
    ActionTimeout,
    ApplicationTaken,
    AsteriskError,
    ConnectionLost,
    NotThere,
    RequestRefused,
    Unreachable,
)
from dialplane.logs import log_unexpected
from dialplane.tasks import Backoff, keep_running, run_together

log = structlog.get_logger(__name__)

LIMIT: Final = 2.0
"""Seconds for a request; Asterisk takes 1 to 2 ms."""
BACKOFF: Final = Backoff(0.2, 5, least=0.5)
HEALTHY_AFTER: Final = 10.0
LOOK_SECONDS: Final = 10.0
"""Between two looks at whether Asterisk has the application still."""

_CLOSED: Final = (Unreachable, ActionTimeout, ActionRefused, RequestRefused)
"""What ends an application that is opened again."""


@dataclass(slots=True)
class Passage:
    """A channel's way through the application."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


Handle = Callable[[AriEvent], Coroutine[Any, Any, None]]


class Ari:
    """One Asterisk's ARI."""

    def __init__(self, http: AriHttp, url: str) -> None:
        """See `connect`."""
        self._http = http
        self._url = url
        self._client: Any = None
        self._loading = asyncio.Lock()
        self._handle: Handle | None = None
        self._passages: dict[str, Passage] = {}
        self._taken: asyncio.Future[NoReturn] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, user: str, secret: SecretStr, *, limit: float = LIMIT) -> AsyncIterator[Self]:
        """Speak with an Asterisk: nothing is sent yet, so that this never fails.

        Args:
            url: of Asterisk's HTTP server, such as `http://192.0.2.10:8088`.
            user: of ARI.
            secret: that user's.
            limit: seconds for each request.
        """
        http = AriHttp(url, user, secret, limit=limit)
        ari = cls(http, url)
        try:
            yield ari
        finally:
            for task in ari._tasks:
                task.cancel()
            await asyncio.gather(*ari._tasks, return_exceptions=True)
            await http.close()

    async def keep_open(
        self, application: str, handle: Handle, changed: Callable[[str], None] = lambda _: None
    ) -> NoReturn:
        """Keep an application open until cancelled, whatever happens to Asterisk.

        Args:
            application: its name.
            handle: serves one event; each runs in a task of its own, and what it raises is logged.
            changed: called with the reason each time that the application is closed, and with "" when it is open.

        Raises:
            ApplicationTaken: another program has opened it: calls come there from now on.
        """
        self._handle = handle

        async def serve() -> None:
            self._taken = asyncio.get_running_loop().create_future()
            self._http.opened.clear()
            await run_together(self._read(application), self._look(application, changed), self._until_taken())

        def note(error: AsteriskError, wait: float) -> None:
            changed(str(error))
            log.warning("ari application closed", application=application, reason=str(error), retry_seconds=wait)

        await keep_running(serve, errors=_CLOSED, backoff=BACKOFF, on_error=note, healthy_after=HEALTHY_AFTER)

    @contextmanager
    def watch(self, channel_id: str) -> Iterator[Passage]:
        """See a channel come into the application that is kept open, and leave it; no event of it is handled."""
        passage = self._passages[channel_id] = Passage()
        try:
            yield passage
        finally:
            del self._passages[channel_id]

    async def applications(self) -> tuple[AriApplication, ...]:
        """Return all applications that Asterisk knows, open or not."""
        return tuple(AriApplication.of(each) for each in await self._ask("applications", "list"))

    async def channels(self) -> tuple[AriChannel, ...]:
        """Return all channels."""
        return tuple(AriChannel.of(each.json) for each in await self._ask("channels", "list"))

    async def external_media(self, application: str, channel_id: str) -> tuple[AriChannel, str]:
        """Make a media channel of slin16 whose audio a WebSocket brings; return it, and the key of its socket."""
        made = await self._ask(
            "channels",
            "externalMedia",
            app=application,
            channelId=channel_id,
            external_host="INCOMING",
            transport="websocket",
            encapsulation="none",
            connection_type="server",
            format="slin16",
            transport_data="f(json)",
        )
        channel = AriChannel.of(made.json)
        return channel, str((channel.variables or {}).get("MEDIA_WEBSOCKET_CONNECTION_ID", ""))

    async def waiting_media(self, channel_id: str, context: str) -> str:
        """Make a media channel like `external_media`'s, which waits in the dialplan; return the key of its socket.

        Once that is open the channel goes to `s` of the context. An application has no part in it: where a Bridge() of
        the dialplan takes a channel out of one, Asterisk 22.10.1 leaves a ghost of it behind, once in a hundred times.
        """
        arguments = {"endpoint": "WebSocket/INCOMING/c(slin16)f(json)", "formats": "slin16", "channelId": channel_id}
        await self._ask("channels", "originate", context=context, extension="s", priority="1", **arguments)
        key = await self._ask(
            "channels", "getChannelVar", channelId=channel_id, variable="MEDIA_WEBSOCKET_CONNECTION_ID"
        )
        return str(key["value"])

    async def channel(self, channel_id: str) -> AriChannel:
        """Return a channel as it is now."""
        return AriChannel.of((await self._ask("channels", "get", channelId=channel_id)).json)

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        """Set a variable of a channel, in an application or not."""
        await self._ask("channels", "setChannelVar", channelId=channel_id, variable=name, value=value)

    async def continue_in_dialplan(self, channel_id: str) -> None:
        """Let a channel go on behind `Stasis()`."""
        await self._ask("channels", "continueInDialplan", channelId=channel_id)

    async def hang_up(self, channel_id: str, cause: int | None = None) -> None:
        """Hang a channel up, with a cause for the dialplan; one that is gone is no error."""
        arguments = {} if cause is None else {"reason_code": str(cause)}
        with suppress(NotThere):
            await self._ask("channels", "hangup", channelId=channel_id, **arguments)

    async def bridges(self) -> tuple[str, ...]:
        """Return the ids of all bridges."""
        return tuple(each.json["id"] for each in await self._ask("bridges", "list"))

    async def join(self, bridge_id: str, channel_ids: tuple[str, ...]) -> None:
        """Make a bridge of ours, and put channels into it that are in an application of ours."""
        await self._ask("bridges", "createWithId", bridgeId=bridge_id, type="mixing")
        await self._ask("bridges", "addChannel", bridgeId=bridge_id, channel=",".join(channel_ids))

    async def destroy_bridge(self, bridge_id: str) -> None:
        """Remove a bridge; one that is gone is no error."""
        with suppress(NotThere):
            await self._ask("bridges", "destroy", bridgeId=bridge_id)

    def sever(self) -> None:
        """Cut the events' socket at once, from any thread: Asterisk closes the application."""
        transport = self._http.socket.transport if self._http.socket else None
        if transport is not None:
            with suppress(OSError):
                transport.shutdown(SHUT_RDWR)

    async def _ask(self, resource: str, operation: str, **arguments: str) -> Any:
        client = await self._loaded()
        return await getattr(getattr(client, resource), operation)(**arguments)

    async def _loaded(self) -> Any:
        """Return aioari's client, which learns the API from Asterisk once."""
        async with self._loading:
            if self._client is None:
                client = aioari.Client(f"{self._url}/", self._http)
                try:
                    await client.init()
                except (ValueError, LookupError, TypeError, AttributeError):
                    raise Unreachable(f"ARI: what answers at {self._url} is no ARI") from None
                client.on_event("*", self._dispatch)
                self._client = client
        return self._client

    async def _read(self, application: str) -> None:
        client = await self._loaded()
        try:
            await client.run(application)
        except ValueError:
            raise ConnectionLost("ARI: an event was no JSON") from None
        raise ConnectionLost("ARI: the events' socket has ended")

    async def _look(self, application: str, changed: Callable[[str], None]) -> None:
        """Say when the application is open; fail when Asterisk has it no more, though the socket seems to be open."""
        await self._http.opened.wait()
        await self._ask("applications", "get", applicationName=application)
        changed("")
        log.info("ari application open", application=application)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._ask("applications", "get", applicationName=application)

    async def _until_taken(self) -> None:
        assert self._taken is not None  # noqa: S101 -- set before
        await self._taken

    def _dispatch(self, shown: Mapping[str, Any]) -> None:
        """Take one event; aioari waits for what this returns, so it never waits."""
        if shown.get("type") == "ApplicationReplaced":
            if self._taken is not None and not self._taken.done():
                name = str(shown.get("application", ""))
                self._taken.set_exception(ApplicationTaken(f"ARI: another program has opened {name}"))
            return
        event = event_of(shown)
        if event is None or self._handle is None:
            return
        if (passage := self._passages.get(event.channel.id)) is not None:
            (passage.entered if isinstance(event, StasisStart) else passage.left).set()
            return
        task = asyncio.get_running_loop().create_task(self._handle(event))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log_unexpected("an event of ARI was not served", error)
