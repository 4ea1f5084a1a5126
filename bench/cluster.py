"""The benchmark's own hands on the API server: many requests in flight, connections kept, nothing of the product's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp

from testbed.kube.namespace import ApiRefusedError, Namespace
from testbed.kube.rest import MERGE_PATCH
from testbed.kube.server import ADMIN
from testbed.manifests import Manifest

IN_FLIGHT: Final = 24
"""Requests at a time: an API server on two cores answers no more of them a second with a greater number."""

T = TypeVar("T")


@dataclass(frozen=True)
class Cluster:
    """One user's kept connections into one namespace."""

    namespace: Namespace
    session: aiohttp.ClientSession

    async def create(self, *manifests: Manifest) -> None:
        """Make these, as fast as the server takes them."""

        async def post(manifest: Manifest) -> None:
            await self.request("POST", self.namespace.path(manifest["kind"]), manifest)

        await in_flight(post, manifests)

    async def patch(self, kind: str, name: str, change: Manifest, *, status: bool = False) -> Manifest:
        """Merge a change into an object, or into its status; return the object as it is now."""
        path = self.namespace.path(kind, name) + ("/status" if status else "")
        return await self.request("PATCH", path, change, content_type=MERGE_PATCH)

    async def delete(self, kind: str, name: str) -> None:
        """Delete one object."""
        await self.request("DELETE", self.namespace.path(kind, name))

    async def items(self, kind: str) -> list[Manifest]:
        """All objects of a kind."""
        return list((await self.request("GET", self.namespace.path(kind)))["items"])

    async def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json"
    ) -> Manifest:
        """Send one request and return what was answered.

        Raises:
            ApiRefusedError: with the server's words.
        """
        headers = {"Content-Type": content_type}
        async with self.session.request(method, path, data=json.dumps(body), headers=headers) as answer:
            text = await answer.read()
            if not answer.ok:
                raise ApiRefusedError(f"{method} {path}: {answer.status} {text[:500]!r}")
            decoded: Any = json.loads(text)
            return dict(decoded)


@asynccontextmanager
async def connect(namespace: Namespace, user: str = ADMIN) -> AsyncIterator[Cluster]:
    """Connect as that user; requests time out after a minute, watches never."""
    async with namespace.session(limit=IN_FLIGHT + 8, user=user, limit_seconds=60) as session:
        yield Cluster(namespace, session)


async def in_flight(work: Callable[[T], Awaitable[None]], items: Iterable[T], limit: int = IN_FLIGHT) -> None:
    """Do it for all items, so many at a time."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(limit):
            tasks.create_task(worker())
