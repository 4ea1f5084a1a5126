"""Deletions that nobody asked for one by one: a CRD or the namespace goes, and takes everything with it.

The watch tells of them as of any other deletion. At its word, a mistaken `helm uninstall` of the CRDs would empty a
telephone system within a second. Guarantee: before a site loop is shown that something is gone, the API server has
said that the kinds and the namespace stay. Where they do not, the process ends, and Asterisk keeps what it runs.

Both questions need no right that the operator has not got anyway: discovery leaves out the verb `create` of a kind
whose CRD is being deleted, and nothing new may be made in a namespace that is (asked by a dry run).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from dialplane.kube.access import Right, Rights
from dialplane.kube.addresses import LEASES, Address
from dialplane.kube.api import Api
from dialplane.kube.errors import (
    ApiError,
    FatalError,
    ForbiddenError,
    InvalidError,
    KindNotServedError,
    NamespaceEndsError,
    NotFoundError,
)
from dialplane.kube.source import KubeSource
from dialplane.resources.snapshot import Snapshot

log = structlog.get_logger(__name__)

APART = 0.25
"""Seconds between two questions: so much later, at the most, is a deletion of many believed."""
ABSENT_FOR = 3.0
"""Seconds that a kind must be missing from discovery: an API server that starts does not know its CRDs yet."""
ENDING = "being terminated"
"""The API server's words for a namespace in which nothing may be made any more."""


class Whole:
    """Whether the kinds and the namespace are there to stay."""

    def __init__(self, api: Api, namespace: str, addresses: Iterable[Address], rights: Rights, *, lease: bool) -> None:
        """Ask nothing yet. `lease` False: there is no right to make one, and the namespace is not asked for."""
        self._api = api
        self._namespace = namespace
        self._addresses = tuple(addresses)
        self._rights = rights
        self._lease = lease

    async def check(self) -> None:
        """Return where what is deleted is deleted one by one.

        Raises:
            KindNotServedError, NamespaceEndsError, RightMissingError: it goes as a whole; the process must end.
            ApiError: no answer; ask again.
        """
        await self._kinds_stay()
        if self._lease:
            await self._namespace_stays()

    async def _kinds_stay(self) -> None:
        give_up = asyncio.get_running_loop().time() + ABSENT_FOR
        while gone := [a.resource for a, verbs in (await self._verbs()).items() if "create" not in verbs]:
            if asyncio.get_running_loop().time() >= give_up:
                raise KindNotServedError(
                    f"the CRDs of {', '.join(gone)} are deleted, and all their objects with them: ending, so that "
                    "Asterisk keeps what it runs; install the CRDs, apply the manifests, then start again"
                )
            await asyncio.sleep(0.5)

    async def _verbs(self) -> Mapping[Address, Iterable[str]]:
        """What can be done with each kind, by discovery; nothing with one that is not served."""
        found: dict[Address, Iterable[str]] = {}
        for root in {a.group_version for a in self._addresses}:
            served: dict[str, Any] = {}
            try:
                answer = await self._api.request("GET", f"/apis/{root}")
                served = {each["name"]: each.get("verbs") or () for each in answer.get("resources") or ()}
            except NotFoundError:
                pass
            except ForbiddenError as error:  # somebody took discovery away from everybody: nothing to learn here
                log.warning("discovery_refused", error=error.message)
                return {}
            found.update({a: served.get(a.plural, ()) for a in self._addresses if a.group_version == root})
        return found

    async def _namespace_stays(self) -> None:
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"generateName": "dialplane-"}}
        path = LEASES.collection(self._namespace)
        try:
            await self._api.request("POST", path, query={"dryRun": "All"}, body=lease)
        except NotFoundError as error:
            raise self._namespace_ends() from error
        except ForbiddenError as error:
            if ENDING in error.message:
                raise self._namespace_ends() from error
            await self._rights.demand((Right("create", LEASES),))  # the Role may be the first to go
            log.info("namespace_not_asked", error=error.message)
        except InvalidError as error:  # a policy of somebody's about Leases: it says nothing of the namespace
            log.info("namespace_not_asked", error=error.message)

    def _namespace_ends(self) -> NamespaceEndsError:
        return NamespaceEndsError(
            f"namespace {self._namespace} is being deleted, and everything in it: ending, so that Asterisk keeps what "
            "it runs; delete the resources themselves to empty it"
        )


class VouchedSource:
    """Implements `reconcile.ports.Source` for one term of leadership: a source, less the deletions not checked yet."""

    def __init__(
        self, source: KubeSource, check: Callable[[], Awaitable[None]], fail: Callable[[FatalError], None]
    ) -> None:
        """Wrap `source`. `check` is `Whole.check`; `fail` ends the process."""
        self._source = source
        self._inventory = source.inventory
        self._check = check
        self._fail = fail
        self._vouched: int | None = None
        """The inventory's count of removals when the last check began."""
        self._asked = float("-inf")
        self._shown = Snapshot("")

    async def changed(self) -> None:
        """See `reconcile.ports.Source.changed`; the first time, and after deletions, asks the API server."""
        await self._source.changed()
        if self._inventory.removals == self._vouched:
            return
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._asked + APART - loop.time())
        removals, self._asked = self._inventory.removals, loop.time()
        await self._answered()
        self._vouched = removals

    def snapshot(self) -> Snapshot:
        """See `reconcile.ports.Source.snapshot`; what went since the last check is still in it."""
        snapshot = self._source.snapshot()
        if self._inventory.removals != self._vouched:
            snapshot = replace(
                snapshot,
                resources={**self._shown.resources, **snapshot.resources},
                secrets={**self._shown.secrets, **snapshot.secrets},
                config_maps={**self._shown.config_maps, **snapshot.config_maps},
            )
            self._source.touch()
        self._shown = snapshot
        return snapshot

    async def _answered(self) -> None:
        while True:
            try:
                return await self._check()
            except FatalError as error:
                self._fail(error)
                await asyncio.Event().wait()  # for the end
            except ApiError as error:
                log.warning("deletions_unchecked", error=str(error))
                await asyncio.sleep(1.0)
