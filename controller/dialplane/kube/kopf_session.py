"""The HTTP session that kopf lists and watches over: an aiohttp middleware that looks through every answer.

Why: kopf ends as a whole where one kind's watch fails, falls silent where a right or a kind is missing, and tells
nobody when a LIST is complete. Guarantees:

- kopf sees no failure: what the server refuses or leaves unanswered is asked again, ever more rarely; a missing right
  or kind, and a history that went back, end the process with their own message;
- each LIST of kopf's passes the inventory's barrier, and whatever it lacks is settled by a consistent read; the objects
  themselves go through kopf's handlers;
- of a watch's events kopf gets all but the echoes of our own patches (see `echoes`);
- a watch that kopf gave up, and an event that it lost, are noticed (`stalled`).
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Any

import aiohttp
import structlog
from aiohttp.client_middlewares import ClientHandlerType

from dialplane.kube.addresses import Address
from dialplane.kube.api import BAD, CONNECT_TIMEOUT, HEALTHY_AFTER, SILENCE, KubeApi, keep_alive, message_of
from dialplane.kube.echoes import Forgotten, Stream, is_forgotten
from dialplane.kube.errors import (
    ApiError,
    FatalError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    UnavailableError,
    api_error,
)
from dialplane.kube.inventory import DELETED, Inventory, line_of
from dialplane.kube.reading import ABSENT_FOR, LIST_TIMEOUT, Reader, not_served
from dialplane.kube.shelf import Line, Suspicion
from dialplane.tasks import Backoff

log = structlog.get_logger(__name__)
JSON = Any

BACKOFF = Backoff(0.2, 10)
"""Between two requests for a kind of which the first failed, or two watches of it."""
LASTS = 600
"""Whole seconds, as the API server asks, that a watch lasts, so that rights and tokens are looked at again."""
STALLED_AFTER = 120.0
"""Seconds for kopf to handle an event, or to watch a kind again; a pass of the site loop takes it a few of them."""
VERBS = frozenset({"list", "watch"})


@dataclass(slots=True)
class _Pace:
    """When a path may be asked for again."""

    failures: int = 0
    due: float = -inf
    began: float = -inf

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self.due - loop.time()))
        self.began = loop.time()

    def ended(self) -> None:
        self.failures = 0
        self.due = asyncio.get_running_loop().time() + BACKOFF.first

    def failed(self) -> float:
        """Return the seconds until it may be asked for again."""
        now = asyncio.get_running_loop().time()
        self.failures = 1 if now - self.began > HEALTHY_AFTER else self.failures + 1
        wait = BACKOFF.wait_after(self.failures)
        self.due = now + wait
        return wait


@dataclass(frozen=True, slots=True)
class _Passed:
    """An object that kopf has been given, and no handler has been called with yet."""

    name: str
    version: str
    since: float


class KopfSession:
    """What kopf is answered; `open` makes the session."""

    def __init__(
        self,
        api: KubeApi,
        inventory: Inventory,
        reader: Reader,
        addresses: Iterable[Address],
        fed: Callable[[], None],
        fail: Callable[[FatalError], None],
    ) -> None:
        """Look through the answers for these kinds. `fed` is called after each LIST; `fail` ends the process."""
        self._api = api
        self._inventory = inventory
        self._reader = reader
        self._fed = fed
        self._fail = fail
        self._addresses = tuple(addresses)
        self._at = {address.collection(inventory.namespace): address for address in self._addresses}
        self._paces: dict[str, _Pace] = {}
        self._absent: dict[str, float] = {}
        """Since when a path answers that a kind is not there."""
        self._lines: dict[str, list[Line]] = {}
        self._passed: dict[str, dict[str, _Passed]] = {address.kind: {} for address in self._addresses}
        """By kind and uid."""
        self._idle: dict[str, float] = {}
        """Since when nothing is asked for that kind; infinite while a request or a watch of it goes on."""

    def open(self) -> aiohttp.ClientSession:
        """Open the session; kopf closes it."""
        return self._api.session(self._hear)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return self._api.server

    def handled(self, kind: str, obj: Mapping[str, JSON]) -> None:
        """A handler was called with that object."""
        passed, metadata = self._passed[kind], obj["metadata"]
        entry = passed.get(metadata["uid"])
        if entry is not None and entry.version == metadata["resourceVersion"]:
            del passed[metadata["uid"]]

    def stalled(self) -> str:
        """What kopf has left lying for too long, as a sentence; empty where all goes on."""
        before = asyncio.get_running_loop().time() - STALLED_AFTER
        for kind, passed in self._passed.items():
            if self._idle.get(kind, inf) < before:
                return f"nobody watches {kind} any more"
            for entry in passed.values():
                if entry.since < before:
                    return f"an event of {kind}/{entry.name} has not been handled"
        return ""

    async def _hear(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """The middleware. What it raises ends kopf, and with it the process."""
        path = request.url.path
        address, pace = self._at.get(path), self._paces.setdefault(path, _Pace())
        what = address.kind if address is not None else path
        while True:
            try:
                await pace.wait()
                request.headers.update(await self._api.authorization(request.method, path))
                request.server_hostname = self._api.tls_server_name
                if address is None:
                    return await self._discover(request, handler)
                self._idle[address.kind] = inf
                if "watch" in request.url.query:
                    return await self._watch(address, pace, request, handler)
                return await self._list(address, request, handler)
            except ApiError as error:
                wait = pace.failed()
                log.warning("watch_interrupted", kind=what, error=str(error), retry_seconds=wait)
            except FatalError as error:
                pace.failed()
                self._fail(error)

    async def _discover(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """What is served: kopf would leave out a kind that is missing, without a word."""
        answer, error, body = await self._ask(request, handler)
        if error is not None and not isinstance(error, NotFoundError):
            raise await self._explained(None, error)
        if lacking := self._lacking(request.url.path, body):
            raise self._missing(request.url.path, lacking)
        now = asyncio.get_running_loop().time()
        self._idle = {address.kind: now for address in self._addresses} | self._idle
        return answer

    async def _list(
        self, address: Address, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """One page; after the last one the inventory knows what is there."""
        kind, path, first = address.kind, request.url.path, "continue" not in request.url.query
        newest, lines = self._reader.newest(kind), self._lines.setdefault(kind, [])
        answer, error, page = await self._ask(request, handler)
        if isinstance(error, GoneError):  # the pages took longer than the server keeps history: all in one
            request.url = request.url.without_query_params("continue", "limit")
        if error is not None:
            raise await self._explained(address, error)
        self._absent.pop(path, None)
        metadata = page.get("metadata") or {}
        if first:
            self._reader.check_history(address, metadata.get("resourceVersion", ""), newest)
            lines.clear()
        for obj in page.get("items") or ():
            lines.append(line_of(kind, obj["metadata"]))
            self._pass(kind, obj)
        if not metadata.get("continue"):
            await self._compare(kind, lines)
            lines.clear()
        self._idle[kind] = asyncio.get_running_loop().time()
        return answer

    async def _compare(self, kind: str, lines: list[Line]) -> None:
        """Doubt what the LIST lacks, and what of that kopf has yet to handle; the rest comes by the handlers."""
        names, uids = {line.name for line in lines}, {line.uid for line in lines}
        doubted = [suspect for suspect in self._inventory.listed(kind, lines) if suspect.name not in names]
        doubted += [Suspicion(each.name, uid) for uid, each in self._passed[kind].items() if uid not in uids]
        self._fed()
        await self._reader.read(kind, doubted)

    async def _watch(
        self, address: Address, pace: _Pace, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        kind = address.kind
        answer, error, _ = await self._ask(request, handler, streams=True)
        if isinstance(error, NotFoundError) or is_forgotten(error):
            self._ended(kind, pace, error)
            answer.status = HTTPStatus.OK
            answer.content = Forgotten(answer.content)  # type: ignore[assignment]
            return answer
        if error is not None:
            raise await self._explained(address, error)
        keep_alive(answer)
        answer.content = Stream(  # type: ignore[assignment]
            answer.content,
            is_echo=partial(self._is_echo, kind),
            ended=partial(self._ended, kind, pace),
            lasts=LASTS + CONNECT_TIMEOUT,
            silence=SILENCE,
        )
        return answer

    async def _ask(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType, *, streams: bool = False
    ) -> tuple[aiohttp.ClientResponse, ApiError | None, Mapping[str, JSON]]:
        """Send the request; return the answer, what it refuses if it does, and else its content, unless it `streams`.

        Raises:
            UnavailableError: no answer in time.
        """
        limit = CONNECT_TIMEOUT if streams else LIST_TIMEOUT
        try:
            async with asyncio.timeout(limit):
                answer = await handler(request)
                if answer.status >= BAD:
                    return answer, api_error(answer.status, message_of(await answer.read()) or answer.reason or ""), {}
                return answer, None, {} if streams else json.loads(await answer.read())
        except TimeoutError as error:
            raise UnavailableError(0, f"no answer within {limit:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: no JSON
            raise UnavailableError(0, str(error)) from error

    async def _explained(self, address: Address | None, error: ApiError) -> Exception:
        if isinstance(error, ForbiddenError):
            return await self._reader.explain(address, error)
        if isinstance(error, NotFoundError) and address is not None:
            return self._missing(address.collection(self._inventory.namespace), [address])
        return error

    def _missing(self, path: str, addresses: Iterable[Address]) -> ApiError | FatalError:
        """What to raise where kinds are not served: for a while an API server that starts has not loaded their CRDs."""
        now = asyncio.get_running_loop().time()
        error = not_served(addresses)
        return error if now - self._absent.setdefault(path, now) >= ABSENT_FOR else NotFoundError(404, str(error))

    def _lacking(self, path: str, content: Mapping[str, JSON]) -> list[Address]:
        """The kinds that an answer of the discovery should have named, and did not."""
        if path == "/apis":
            groups = {group["name"] for group in content.get("groups") or ()}
            return [a for a in self._addresses if a.group not in groups]
        verbs = {each["name"]: VERBS.intersection(each.get("verbs") or ()) for each in content.get("resources") or ()}
        return [a for a in self._addresses if path == f"/apis/{a.group_version}" and verbs.get(a.plural) != VERBS]

    def _pass(self, kind: str, obj: Mapping[str, JSON]) -> None:
        metadata, now = obj["metadata"], asyncio.get_running_loop().time()
        self._passed[kind][metadata["uid"]] = _Passed(metadata["name"], metadata["resourceVersion"], now)

    def _is_echo(self, kind: str, type_: str, obj: Mapping[str, JSON]) -> bool:
        if type_ != DELETED and self._inventory.knows(kind, obj["metadata"]):
            return True
        self._pass(kind, obj)
        return False

    def _ended(self, kind: str, pace: _Pace, error: ApiError | None) -> None:
        """A watch ended; kopf asks for the next one, or for a LIST."""
        self._idle[kind] = asyncio.get_running_loop().time()
        if error is None:
            pace.ended()
        elif isinstance(error, NotFoundError) or is_forgotten(error):
            pace.failed()
            log.info("watch_lists_anew", kind=kind, error=str(error))
        else:
            wait = pace.failed()
            log.warning("watch_interrupted", kind=kind, error=str(error), retry_seconds=wait)
