"""LISTs: all objects before a watch begins, a look at everything now and then, and single objects on demand.

A watch alone proves nothing: an empty namespace sends no event, and a server may lose one. The periodic LIST carries
metadata only and may come from the server's cache (5,000 objects in 0.4 s); what it puts in doubt is read again
consistently. Only `list` is used, never `get`, so that the rights stay `list, watch`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from dialplane.kube.access import Right, Rights
from dialplane.kube.addresses import REFERRED_TO, Address
from dialplane.kube.api import METADATA_LIST, Api
from dialplane.kube.errors import (
    ForbiddenError,
    GoneError,
    HistoryRewrittenError,
    KindNotServedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from dialplane.kube.inventory import CONFIG_MAP, SECRET, Inventory, line_of
from dialplane.kube.shelf import Line, Suspicion, is_older
from dialplane.tasks import wait_at_most

log = structlog.get_logger(__name__)
JSON = Any

ONE_BY_ONE = 8
"""Up to so many objects are read by name; beyond, the whole kind is."""
PAGE = "500"
LIST_TIMEOUT = 60.0
ABSENT_FOR = 3.0
"""Seconds that a kind must answer 404: an API server that starts answers so for CRDs it has not loaded yet."""


@dataclass(frozen=True, slots=True)
class _Page:
    first: bool
    version: str
    objects: Sequence[Mapping[str, JSON]]


class Reader:
    """Feeds the inventory from LISTs. `fed` is called after each feeding."""

    def __init__(
        self, api: Api, inventory: Inventory, addresses: Iterable[Address], fed: Callable[[], None], rights: Rights
    ) -> None:
        self._api = api
        self._inventory = inventory
        self._addresses = {a.kind: a for a in (*addresses, *REFERRED_TO)}
        self._namespace = inventory.namespace
        self._fed = fed
        self._rights = rights
        self._newest: dict[str, str] = {}
        self._wanted = asyncio.Event()
        self._due = float("inf")

    async def fill(self, kind: str) -> str:
        """A consistent LIST, page by page, into the inventory; where a watch of the kind begins.

        What we hold and the LIST lacks is read again: it may be gone, or younger than the LIST.

        Raises:
            KindNotServedError, RightMissingError, HistoryRewrittenError: the process must end.
            UnavailableError: the server does not answer; try again.
        """
        lines: list[Line] = []
        version = ""
        async for page in self._pages(self._addresses[kind]):
            if page.first:
                lines.clear()
            version = page.version
            for obj in page.objects:
                self._inventory.event(kind, None, obj)
                lines.append(line_of(kind, obj["metadata"]))
            self._fed()
        suspects = self._inventory.listed(kind, lines)
        self._fed()
        await self.read(kind, suspects)
        return version

    async def list_all(self) -> None:
        """One metadata LIST per kind, and a consistent read of what it puts in doubt. Raises as `fill`."""
        for kind in self._addresses:
            suspects = self._inventory.listed(kind, await self._lines(kind))
            self._fed()
            await self.read(kind, suspects)

    async def read(self, kind: str, suspects: Iterable[Suspicion], *, whole: bool = False) -> None:
        """Read those objects consistently and let the inventory judge. Raises as `list_all`.

        `whole`: with their contents, even if the kind is listed without.
        """
        suspects = tuple(suspects)
        if not suspects:
            return
        names = {suspect.name for suspect in suspects}
        selectors = [f"metadata.name={name}" for name in sorted(names)] if len(names) <= ONE_BY_ONE else [""]
        found: dict[str, Mapping[str, JSON]] = {}
        for selector in selectors:
            async for page in self._pages(self._addresses[kind], selector, whole=whole):
                found.update((o["metadata"]["name"], o) for o in page.objects if o["metadata"]["name"] in names)
        self._inventory.reread(kind, suspects, found, whole=whole)
        self._fed()
        log.debug("reread", kind=kind, doubted=len(names), found=len(found))

    async def read_values(self) -> None:
        """Read the Secrets newly referred to, and the ConfigMaps that are so or changed. Raises as `list_all`."""
        await self.read(SECRET, self._inventory.unread(SECRET))
        for suspect in self._inventory.unread(CONFIG_MAP):  # one at a time: each may have 1 MiB
            await self.read(CONFIG_MAP, (suspect,), whole=True)

    async def keep_reading(self, period: float) -> None:
        """For ever: every `period` seconds a LIST of everything, and at once the values that are wanted.

        Raises as `list_all`, except that an unavailable server is waited for.
        """
        loop = asyncio.get_running_loop()
        self._due = loop.time() + period
        while True:
            try:
                await self.read_values()
                if loop.time() >= self._due:
                    self._due = loop.time() + period
                    await self.list_all()
            except (UnavailableError, UnauthorizedError) as error:
                log.warning("list_unavailable", error=str(error))
                self._due = 0.0
                await asyncio.sleep(1.0)
            await wait_at_most(self._wanted, max(0.0, self._due - loop.time()))
            self._wanted.clear()

    def look(self) -> None:
        """Tell `keep_reading` that the inventory changed: a value may be wanted."""
        if self._inventory.passed and self._inventory.awaits_values:
            self._wanted.set()

    async def explain(self, address: Address | None, error: ForbiddenError) -> Exception:
        """What to raise for a 403 on a LIST or a watch of that kind, or on the discovery: the missing right by name."""
        rights = () if address is None else (Right("list", address), Right("watch", address))
        return await self._rights.explain(error, rights)

    async def _lines(self, kind: str) -> list[Line]:
        address = self._addresses[kind]
        query = {"resourceVersion": "0"}
        if address.field_selector:
            query["fieldSelector"] = address.field_selector
        answer = await self._get(address, query, METADATA_LIST)
        return [line_of(kind, item["metadata"]) for item in answer.get("items") or ()]

    async def _pages(self, address: Address, selector: str = "", *, whole: bool = False) -> AsyncIterator[_Page]:
        """A consistent LIST, page by page; where the server forgets it half-way it begins anew, in one page."""
        selectors = ",".join(s for s in (address.field_selector, selector) if s)
        query = {"limit": PAGE, **({"fieldSelector": selectors} if selectors else {})}
        accept = METADATA_LIST if address.metadata_only and not whole else "application/json"
        while True:
            first, newest = "continue" not in query, self.newest(address.kind)
            try:
                answer = await self._get(address, query, accept)
            except GoneError:  # the pages took longer than the server keeps history
                query.pop("continue", None)
                query.pop("limit", None)
                continue
            metadata = answer.get("metadata") or {}
            version = metadata.get("resourceVersion", "")
            if first:
                self.check_history(address, version, newest)
            yield _Page(first, version, answer.get("items") or ())
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def _get(self, address: Address, query: Mapping[str, str], accept: str) -> Mapping[str, JSON]:
        """One page. A kind that is not there is asked for again for `ABSENT_FOR` seconds."""
        path, loop = address.collection(self._namespace), asyncio.get_running_loop()
        give_up = loop.time() + ABSENT_FOR
        while True:
            try:
                answer: Mapping[str, JSON] = await self._api.request(
                    "GET", path, query=query, accept=accept, timeout=LIST_TIMEOUT
                )
            except ForbiddenError as error:
                raise await self.explain(address, error) from error
            except NotFoundError as error:
                if loop.time() >= give_up:
                    raise not_served((address,)) from error
                await asyncio.sleep(ABSENT_FOR / 3)
            else:
                return answer

    def newest(self, kind: str) -> str:
        """The version of the latest consistent LIST of that kind; empty where there was none."""
        return self._newest.get(kind, "")

    def check_history(self, address: Address, version: str, newest: str) -> None:
        """Take the version of a consistent LIST; `newest` is what it was when the LIST was asked for.

        Raises:
            HistoryRewrittenError: it is older.
        """
        if is_older(version, newest):
            raise HistoryRewrittenError(
                f"the API server's history of {address.resource} went back from {newest} to {version} (was etcd "
                "restored from a backup?): ending, so that the next start sees the truth"
            )
        self._newest[address.kind] = version


def not_served(addresses: Iterable[Address]) -> KindNotServedError:
    """The error for kinds that the API server does not have."""
    names = ", ".join(f"{address.resource} ({address.version})" for address in addresses)
    return KindNotServedError(
        f"{names} is not served by this API server: install the CRDs first (helm install dialplane-crds "
        "charts/dialplane-crds, or kubectl apply -f crds/), then start again"
    )
