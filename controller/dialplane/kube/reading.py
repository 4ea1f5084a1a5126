"""LISTs: the barrier at start, ghosts and gaps every few minutes, and single objects on demand.

A watch alone proves nothing: an empty namespace sends no event, and a watch that was cut never mentions what was
deleted meanwhile. The periodic LIST carries metadata only and may come from the server's cache (5,000 objects in
0.4 s); what it puts in doubt is read again consistently. Only `list` is used, never `get`, so that the rights stay
`list, watch`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from dialplane.kube.access import Right, Rights, needed
from dialplane.kube.addresses import SECRETS, Address
from dialplane.kube.api import METADATA_LIST, Api
from dialplane.kube.errors import (
    ApiError,
    ForbiddenError,
    GoneError,
    HistoryRewrittenError,
    KindNotServedError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from dialplane.kube.inventory import SECRET, Inventory, line_of
from dialplane.kube.shelf import Suspicion, is_older

log = structlog.get_logger(__name__)
JSON = Any

ONE_BY_ONE = 8
"""Up to so many objects are read by name; beyond, the whole kind is."""
PAGE = "500"
UNSEEN_A_SECOND = 500
LIST_TIMEOUT = 60.0
RELIST_AFTER = 1.0
"""Seconds after a watch began anew: the others usually do too."""
ABSENT_FOR = 3.0
"""Seconds that a kind must answer 404: an API server that starts answers so for CRDs it has not loaded yet."""


class Reader:
    """Feeds the inventory from LISTs. `fed` is called after each feeding."""

    def __init__(
        self, api: Api, inventory: Inventory, addresses: Iterable[Address], fed: Callable[[], None], rights: Rights
    ) -> None:
        self._api = api
        self._inventory = inventory
        self._addresses = {a.kind: a for a in (*addresses, SECRETS)}
        self._namespace = inventory.namespace
        self._fed = fed
        self._rights = rights
        self._newest: dict[str, str] = {}
        self._wanted = asyncio.Event()
        self._due = float("inf")

    async def list_all(self, *, attempts_apart: float = 1.0) -> None:
        """One metadata LIST per kind into the inventory, and a consistent read of what it puts in doubt.

        At the start the doubts are left open: kopf's own first LIST is about to answer them.

        Raises:
            KindNotServedError, RightMissingError, HistoryRewrittenError: the process must end.
            UnavailableError: the server does not answer; try again.
        """
        for kind in self._addresses:
            suspects = self._inventory.listed(kind, await self._lines(kind, attempts_apart))
            self._fed()
            if self._inventory.passed:
                await self.read(kind, suspects)

    async def await_barrier(self, *, patience: float = 5.0) -> None:
        """Return once the barrier has passed; objects that stay unseen while nothing arrives are read by ourselves.

        `patience` (seconds) grows with what is unseen: kopf's own LIST of 5,000 objects is silent for some seconds.
        """
        loop = asyncio.get_running_loop()
        unseen, since = self._unseen(), loop.time()
        while not self._inventory.passed:
            await asyncio.sleep(0.02)
            if self._unseen() != unseen:
                unseen, since = self._unseen(), loop.time()
            elif loop.time() - since >= patience + unseen / UNSEEN_A_SECOND:
                log.info("barrier_reading", waiting_for=self._inventory.waiting_for, objects=unseen)
                for kind in self._addresses:
                    await self.read(kind, self._inventory.awaited(kind))
                since = loop.time()

    async def read(self, kind: str, suspects: Iterable[Suspicion]) -> None:
        """Read those objects consistently and let the inventory judge. Raises as `list_all`."""
        suspects = tuple(suspects)
        if not suspects:
            return
        names = {suspect.name for suspect in suspects}
        selectors = [f"metadata.name={name}" for name in sorted(names)] if len(names) <= ONE_BY_ONE else [""]
        found: dict[str, Mapping[str, JSON]] = {}
        for selector in selectors:
            found.update({o["metadata"]["name"]: o for o in await self._objects(self._addresses[kind], selector)})
        self._inventory.reread(kind, suspects, {name: found[name] for name in names if name in found})
        self._fed()
        log.debug("reread", kind=kind, doubted=len(names), found=len(names & found.keys()))

    async def keep_reading(self, period: float) -> None:
        """For ever: every `period` seconds a LIST of everything, and at once the Secrets newly referred to.

        Raises as `list_all`, except that an unavailable server is waited for.
        """
        loop = asyncio.get_running_loop()
        self._due = loop.time() + period
        while True:
            try:
                await self.read(SECRET, self._inventory.unread_secrets)
                if loop.time() >= self._due:
                    self._due = loop.time() + period
                    await self.list_all()
                    await self._check_rights()
            except (UnavailableError, UnauthorizedError) as error:
                log.warning("list_unavailable", error=str(error))
                self._due = 0.0
                await asyncio.sleep(1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - loop.time())):
                    await self._wanted.wait()
            self._wanted.clear()

    def look(self) -> None:
        """Tell `keep_reading` that the inventory changed: a Secret may be wanted."""
        if self._inventory.passed and self._inventory.unread_secrets:
            self._wanted.set()

    def relist(self) -> None:
        """Tell `keep_reading` that a watch began anew: what was deleted since the one before, it never mentions."""
        self._due = min(self._due, asyncio.get_running_loop().time() + RELIST_AFTER)
        self._wanted.set()

    def _unseen(self) -> int:
        return sum(len(self._inventory.awaited(kind)) for kind in self._addresses)

    async def _lines(self, kind: str, attempts_apart: float) -> list[Any]:
        address = self._addresses[kind]
        query = {"resourceVersion": "0"}
        if address.field_selector:
            query["fieldSelector"] = address.field_selector
        give_up = asyncio.get_running_loop().time() + ABSENT_FOR
        while True:
            try:
                answer = await self._get(address, query, METADATA_LIST)
                return [line_of(kind, item["metadata"]) for item in answer.get("items") or ()]
            except NotFoundError as error:
                if asyncio.get_running_loop().time() >= give_up:
                    raise KindNotServedError(
                        f"{address.resource} ({address.version}) is not served by this API server: install the CRDs "
                        "first (helm install dialplane-crds charts/dialplane-crds, or kubectl apply -f crds/), "
                        "then start again"
                    ) from error
                await asyncio.sleep(attempts_apart)

    async def _objects(self, address: Address, selector: str) -> list[Mapping[str, JSON]]:
        selectors = ",".join(s for s in (address.field_selector, selector) if s)
        query = {"limit": PAGE, **({"fieldSelector": selectors} if selectors else {})}
        objects: list[Mapping[str, JSON]] = []
        while True:
            try:
                answer = await self._get(address, query, "application/json")
            except GoneError:  # the pages took longer than the server keeps history
                query.pop("continue", None)
                query.pop("limit", None)
                objects.clear()
                continue
            metadata = answer.get("metadata") or {}
            self._check_history(address, metadata.get("resourceVersion", ""))
            objects += answer.get("items") or ()
            if not metadata.get("continue"):
                return objects
            query["continue"] = metadata["continue"]

    async def _get(self, address: Address, query: Mapping[str, str], accept: str) -> Mapping[str, JSON]:
        try:
            answer: Mapping[str, JSON] = await self._api.request(
                "GET", address.collection(self._namespace), query=query, accept=accept, timeout=LIST_TIMEOUT
            )
        except ForbiddenError as error:
            raise await self._rights.explain(error, (Right("list", address), Right("watch", address))) from error
        return answer

    def _check_history(self, address: Address, version: str) -> None:
        newest = self._newest.get(address.kind, "")
        if is_older(version, newest):
            raise HistoryRewrittenError(
                f"the API server's history of {address.resource} went back from {newest} to {version} (was etcd "
                "restored from a backup?): ending, so that the next start sees the truth"
            )
        self._newest[address.kind] = version

    async def _check_rights(self) -> None:
        with contextlib.suppress(ApiError):
            await self._rights.demand(needed((a for a in self._addresses.values() if a != SECRETS), lease=""))
