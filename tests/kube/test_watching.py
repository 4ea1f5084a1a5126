"""The watch of Secrets and ConfigMaps: streams that end, break, fall silent or are forgotten, and what it goes on from.

The same is asked of kopf's watches in `test_kopf_session`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from dialplane.kube import watching
from dialplane.kube.access import Rights
from dialplane.kube.api import KubeApi
from dialplane.kube.errors import (
    ApiError,
    ForbiddenError,
    GoneError,
    HistoryRewrittenError,
    NotFoundError,
    RightMissingError,
    UnavailableError,
    api_error,
)
from dialplane.kube.inventory import CONFIG_MAP, SECRET
from dialplane.kube.reading import Reader
from dialplane.kube.watching import Watch
from dialplane.resources.key import Key
from dialplane.tasks import Backoff
from testbed.ports import LOOPBACK
from tests.kube.conftest import OPERATOR, Proxy, Site
from tests.kube.world import Server, new_inventory

Event = tuple[str, dict[str, Any]]


class Bench:
    """Watches of a miniature namespace. `scripts` are the streams of the Secrets, one after the other.

    Each is a list of events that ends with the stream, or with an error in it; then the watch stays open.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *scripts: list[Event | ApiError]) -> None:
        monkeypatch.setattr(watching, "BACKOFF", Backoff(0.01, 10))
        self.server = Server()
        self.scripts = list(scripts)
        self.lists: list[str] = []
        self.since: list[str] = []
        self.version = 500
        self.allowed = True
        self.inventory = new_inventory()
        reader = Reader(self, self.inventory, (), lambda: None, Rights(self, "site"))
        self.watch_all = Watch(self, "site", reader, self.inventory.event)

    async def request(self, method: str, path: str, **_: Any) -> Any:
        if method == "POST":
            return {"status": {"allowed": self.allowed}}
        self.lists.append(path)
        kind = SECRET if path.endswith("secrets") else CONFIG_MAP
        return {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.server.of(kind).values())}

    async def watch(self, path: str, *, query: Mapping[str, str], **_: Any) -> AsyncGenerator[Event, None]:
        if path.endswith("secrets"):
            self.since.append(query["resourceVersion"])
            if self.scripts:
                for each in self.scripts.pop(0):
                    if isinstance(each, Exception):
                        raise each
                    yield each
                return
        await asyncio.Event().wait()

    @property
    def lists_of_secrets(self) -> int:
        return sum(path.endswith("secrets") for path in self.lists)

    def holds(self, name: str) -> bool:
        return self.inventory._secrets.shelf.get(name) is not None

    async def run(self, until: Callable[[], object] = lambda: False) -> None:
        """Watch until the condition holds, or whatever ends the watch."""
        task = asyncio.create_task(self.watch_all.run())
        try:
            async with asyncio.timeout(5):
                while not until() and not task.done():
                    await asyncio.sleep(0.005)
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})


def bookmark(version: int) -> Event:
    return "BOOKMARK", {"metadata": {"resourceVersion": str(version)}}


async def test_a_watch_begins_where_the_list_ended_and_goes_on_from_the_last_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    ann = server.put(SECRET, "ann")
    ann["metadata"]["resourceVersion"] = "510"
    bench = Bench(monkeypatch, [("ADDED", ann)], [bookmark(520)])
    await bench.run(lambda: len(bench.since) == 3)
    assert bench.since == ["500", "510", "520"]
    assert bench.lists_of_secrets == 1
    assert bench.holds("ann")


async def test_a_broken_watch_goes_on_without_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = UnavailableError(0, "connection reset")
    bench = Bench(monkeypatch, [bookmark(510), broken], [broken], [UnavailableError(503, "starting")])
    await bench.run(lambda: len(bench.since) == 4)
    assert bench.since == ["500", "510", "510", "510"]
    assert bench.lists_of_secrets == 1


@pytest.mark.parametrize("error", [GoneError(410, "too old"), NotFoundError(404, "no"), api_error(504, "too large")])
async def test_a_version_that_the_server_does_not_have_is_replaced_by_a_list(
    monkeypatch: pytest.MonkeyPatch, error: ApiError
) -> None:
    bench = Bench(monkeypatch, [error])
    bench.server.put(SECRET, "ann")
    await bench.run(lambda: bench.holds("ann"))
    bench.server.delete(SECRET, "ann")
    bench.version, bench.scripts = 600, [[error]]
    await bench.run(lambda: not bench.holds("ann"))
    assert bench.since[-1] == "600"


async def test_a_server_whose_history_went_back_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, [api_error(504, "Too large resource version")])
    monkeypatch.setattr(watching, "BACKOFF", Backoff(60, 60))  # or it may list again before the history went back
    await bench.run(lambda: bench.since)
    bench.version = 300
    with pytest.raises(HistoryRewrittenError, match="from 500 to 300"):
        await bench.run()


async def test_a_watch_that_is_refused_ends_the_process_naming_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, [ForbiddenError(403, "no")])
    bench.allowed = False
    with pytest.raises(RightMissingError, match="watch secrets"):
        await bench.run()


async def test_what_is_deleted_while_the_watch_is_cut_is_told_by_the_watch_itself(
    site: Site, operate: Callable[..., Any], proxy: Proxy
) -> None:
    """No LIST helps here: the next is ten minutes away."""
    site.secret("ann-sip", username="101", password="p")
    site.extension("ann")
    site.extension("bob", "102")
    through = proxy.kubeconfig(site.server.kubeconfig(OPERATOR, namespace=site.namespace))
    async with operate(kubeconfig=through) as running:
        await running.until(lambda: running.rounds)
        await proxy.cut()
        site.delete("Extension", "bob")
        site.delete("Secret", "ann-sip")
        await proxy.mend()
        inventory = running.operator.inventory
        await running.until(lambda: set(inventory.snapshot().resources) == {Key("Extension", "ann")})
        await running.until(lambda: not inventory.snapshot().secrets)


@pytest.fixture
async def silent() -> AsyncIterator[KubeApi]:
    """A server that sends one bookmark, then half a line, then nothing: no real one can be made to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}\n{"type":')
        await asyncio.Event().wait()
        return stream

    app = web.Application()
    app.router.add_get("/things", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listening = web.TCPSite(runner, LOOPBACK, 0)
    await listening.start()
    assert listening._server is not None
    port = listening._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    configuration = client.Configuration()
    configuration.host = f"http://{LOOPBACK}:{port}"
    async with KubeApi(configuration) as api:
        yield api
    await runner.cleanup()


async def test_a_watch_that_had_a_bookmark_and_falls_silent_counts_as_lost(silent: KubeApi) -> None:
    async with aclosing(silent.watch("/things", query={}, seconds=600, silence=0.2)) as events:
        assert await anext(events) == ("BOOKMARK", {"metadata": {"resourceVersion": "7"}})
        with pytest.raises(UnavailableError, match="silent"):
            await anext(events)
