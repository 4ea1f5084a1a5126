"""An API server in miniature that speaks HTTP on loopback, and kopf with its handlers before it.

No real server can be made to forget a version, to break off in the middle of a line, or to send nonsense. This one does
as scripts say; without a script it lists in pages and streams what happens, from any version on, as a real one does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from aiohttp import web
from kubernetes.aio import client

from dialplane.kube import kopf_session
from dialplane.kube.access import Rights
from dialplane.kube.addresses import custom
from dialplane.kube.api import KubeApi
from dialplane.kube.errors import FatalError
from dialplane.kube.handlers import Handlers
from dialplane.kube.inventory import REFERRED, Inventory
from dialplane.kube.kopf_session import KopfSession
from dialplane.kube.reading import Reader
from dialplane.resources.manifest import GROUP, VERSION
from dialplane.tasks import Backoff
from testbed.ports import LOOPBACK
from tests.eventually import eventually
from tests.kube.world import EXTENSION, KINDS, Server, new_inventory

PLURALS = {kind.lower() + "s": kind for kind in KINDS}
ADDRESSES = [custom(kind, plural) for plural, kind in PLURALS.items()]
ROOT = f"/apis/{GROUP}/{VERSION}"
CUT, HANG = "cut", "hang"

Step = dict[str, Any] | str | bytes
"""Of a watch's script: an event, raw bytes, CUT (the connection breaks), or HANG (nothing comes any more)."""


@dataclass
class Miniature:
    """The server; its objects are those of `world.Server`."""

    world: Server = field(default_factory=Server)
    watches: list[list[Step] | int] = field(default_factory=list)
    """What happens to the next watches of extensions: a script, after which the stream ends, or a status that refuses."""
    refusals: list[int] = field(default_factory=list)
    """The statuses that refuse the next pages of extensions, which are not the first of a LIST."""
    absent: set[str] = field(default_factory=set)
    """Plurals that are not served."""
    allowed: bool = True
    slow: list[float] = field(default_factory=list)
    """Seconds that the next LISTs of extensions take."""
    page: int = 0
    """Objects on a page, however many were asked for."""
    since: list[str] = field(default_factory=list)
    """The versions that watches of extensions began at."""
    lists: int = 0
    """How many LISTs of extensions began."""
    history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    forgotten: int = 0
    """Watches from an older version than this are refused."""
    _transports: set[asyncio.Transport] = field(default_factory=set)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _lists: dict[str, tuple[str, list[dict[str, Any]]]] = field(default_factory=dict)

    async def tell(self, kind: str, type_: str, obj: dict[str, Any]) -> None:
        """Something happened to an object: the watches of its kind tell of it."""
        copy = json.loads(json.dumps(obj))
        self.history.append((int(copy["metadata"]["resourceVersion"]), kind, {"type": type_, "object": copy}))
        async with self._news:
            self._news.notify_all()

    async def forget(self) -> None:
        """Forget the history, and break off every watch."""
        self.forgotten = self.world.version
        self.history.clear()
        self.cut()

    def cut(self) -> None:
        """Break every connection that a watch uses."""
        for transport in list(self._transports):
            transport.abort()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve; yields the port."""
        app = web.Application()
        app.router.add_get("/api", _answer({"versions": ["v1"]}))
        app.router.add_get("/api/v1", _answer({"resources": [_resource("namespaces", "Namespace", namespaced=False)]}))
        app.router.add_get("/apis", self._groups)
        app.router.add_get(ROOT, self._resources)
        app.router.add_get(ROOT + "/namespaces/site/{plural}", self._collection)
        app.router.add_post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._review)
        runner = web.AppRunner(app, shutdown_timeout=0.05, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, 0).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _groups(self, _: web.Request) -> web.Response:
        version = {"version": VERSION, "groupVersion": f"{GROUP}/{VERSION}"}
        served = (
            []
            if self.absent >= PLURALS.keys()
            else [{"name": GROUP, "versions": [version], "preferredVersion": version}]
        )
        return web.json_response({"groups": served})

    async def _resources(self, _: web.Request) -> web.Response:
        served = [_resource(plural, kind) for plural, kind in PLURALS.items() if plural not in self.absent]
        return web.json_response({"resources": served})

    async def _review(self, _: web.Request) -> web.Response:
        return web.json_response({"status": {"allowed": self.allowed}})

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        plural = request.match_info["plural"]
        if plural in self.absent:
            return _refusal(404)
        if "watch" in request.query:
            return await self._watch(request, PLURALS[plural])
        if self.slow and PLURALS[plural] == EXTENSION:
            await asyncio.sleep(self.slow.pop(0))
        return self._list(request.query, PLURALS[plural])

    def _list(self, query: Mapping[str, str], kind: str) -> web.Response:
        token = query.get("continue", "")
        if token and self.refusals and kind == EXTENSION:
            return _refusal(self.refusals.pop(0))
        if not token:
            self.lists += kind == EXTENSION and "fieldSelector" not in query
            wanted = query.get("fieldSelector", "").rpartition("=")[2]
            found = [o for name, o in sorted(self.world.of(kind).items()) if wanted in ("", name)]
            version, left = str(self.world.version), json.loads(json.dumps(found))
        else:
            version, left = self._lists.pop(token)
        size = self.page if self.page and "limit" in query else len(left)
        items, left = left[:size], left[size:]
        following = f"{kind}-{len(self._lists)}-{version}-{len(left)}" if left else ""
        if left:
            self._lists[following] = version, left
        return web.json_response({"metadata": {"resourceVersion": version, "continue": following}, "items": items})

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        since, _ = request.query["resourceVersion"], int(request.query["timeoutSeconds"])
        script: list[Step] | int | None = None
        if kind == EXTENSION:
            self.since.append(since)
            script = self.watches.pop(0) if self.watches else None
        if isinstance(script, int):
            return _refusal(script)
        stream = web.StreamResponse()
        await stream.prepare(request)
        transport = cast(asyncio.Transport, request.transport)
        self._transports.add(transport)
        try:
            if script is not None:
                await self._play(script, transport, stream)
            elif int(since) < self.forgotten:
                await stream.write(_line(error(410)))
            else:
                await self._stream(int(since), kind, stream)
        finally:
            self._transports.discard(transport)
        return stream

    async def _play(self, script: list[Step], transport: asyncio.Transport, stream: web.StreamResponse) -> None:
        for step in script:
            if step == CUT:
                await asyncio.sleep(0.02)  # what was written before arrives
                transport.abort()
            elif step == HANG:
                await asyncio.Event().wait()
            else:
                await stream.write(step if isinstance(step, bytes) else _line(step))

    def _happened_since(self, events: int) -> bool:
        return len(self.history) != events

    async def _stream(self, version: int, kind: str, stream: web.StreamResponse) -> None:
        while True:
            for happened, of, event in list(self.history):
                if happened > version:
                    version = happened
                    if of == kind:
                        await stream.write(_line(event))
            seen = len(self.history)
            async with self._news:
                await self._news.wait_for(partial(self._happened_since, seen))


@dataclass
class Door:
    """kopf, its session and handlers, and what they feed."""

    server: Miniature
    inventory: Inventory
    reader: Reader
    session: KopfSession
    handlers: Handlers
    handled: list[tuple[str, str | None, str]]
    """Kind, type and version of every event that reached a handler."""
    failures: list[FatalError]
    running: asyncio.Task[None]

    @property
    def versions(self) -> list[str]:
        return [version for _, _, version in self.handled]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it; what ends the handlers, or would end the process, ends the test."""

        def holds() -> object:
            if self.running.done():
                self.running.result()
            if self.failures:
                raise self.failures[0]
            return condition()

        await eventually(holds, 10)


@asynccontextmanager
async def opened(
    server: Miniature, *, deliver: Callable[..., None] | None = None, take_signals: Callable[[], None] = lambda: None
) -> AsyncIterator[Door]:
    """Serve, and run kopf against it, without waiting between two attempts."""
    before, kopf_session.BACKOFF = kopf_session.BACKOFF, Backoff(0.005, 0.05)
    inventory = new_inventory()
    handled: list[tuple[str, str | None, str]] = []
    failures: list[FatalError] = []

    def take(kind: str, type_: str | None, obj: dict[str, Any]) -> None:
        handled.append((kind, type_, obj["metadata"]["resourceVersion"]))
        (deliver or inventory.event)(kind, type_, obj)

    configuration = client.Configuration()
    try:
        async with server.serving() as port:
            configuration.host = f"http://{LOOPBACK}:{port}"
            async with KubeApi(configuration) as api:
                reader = Reader(api, inventory, ADDRESSES, lambda: None, Rights(api, "site"))
                for kind in REFERRED:
                    inventory.listed(kind, ())
                session = KopfSession(api, inventory, reader, ADDRESSES, lambda: None, failures.append)
                handlers = Handlers("site", ADDRESSES, session, take, failures.append)
                running = asyncio.create_task(handlers.run(take_signals))
                try:
                    yield Door(server, inventory, reader, session, handlers, handled, failures, running)
                finally:
                    running.cancel()
                    await asyncio.wait({running})
    finally:
        kopf_session.BACKOFF = before


def error(code: int) -> dict[str, Any]:
    return {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "as told"}}


def bookmark(version: int) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _resource(plural: str, kind: str, *, namespaced: bool = True) -> dict[str, Any]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    return {"name": plural, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": verbs}


def _refusal(status: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": status, "message": "as told"}, status=status)


def _answer(content: dict[str, Any]) -> Callable[[web.Request], Any]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(content)

    return answer
