"""What the operator may do, asked of the API server itself, and one clear message where something is missing.

Why ask: what is missing is named all at once and at the start, not one refusal after the other.

Why not believe the first no: an API server that starts refuses everybody everything until it has read its Roles, the
question itself included (measured: for up to a second). A running operator waits that out.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from dialplane.kube.addresses import EVENTS, LEASES, REFERRED_TO, Address, custom
from dialplane.kube.api import Api
from dialplane.kube.errors import ApiError, ForbiddenError, RightMissingError, UnavailableError
from dialplane.resources.kinds import KINDS

log = structlog.get_logger(__name__)

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
REFUSED_FOR = 5.0
"""Seconds that a running operator must be refused until it is taken for a missing right."""
REFUSED_AGAIN = 15.0
"""Refusals further apart than so many seconds are not of one series."""


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource in the namespace; `name` where the right may be granted for one object alone."""

    verb: str
    address: Address
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        sub = f"/{self.subresource}" if self.subresource else ""
        name = f" {self.name}" if self.name else ""
        plural, dot, group = self.address.resource.partition(".")
        return f"{self.verb} {plural}{sub}{dot}{group}{name}"


def needed(addresses: Iterable[Address], *, lease: str) -> tuple[Right, ...]:
    """The rights without which the operator cannot work; `lease` names what it competes for, empty for nothing."""
    rights = []
    for address in addresses:
        rights += [Right("list", address), Right("watch", address), Right("patch", address, "status")]
    for address in REFERRED_TO:
        rights += [Right("list", address), Right("watch", address)]
    if lease:
        rights.append(Right("create", LEASES))  # which RBAC cannot narrow to a name
        rights += [Right(verb, LEASES, name=lease) for verb in ("get", "update")]
    return tuple(rights)


WANTED = (
    Right("create", EVENTS),
    Right("patch", EVENTS),
    *(Right("delete", custom(kind.name, kind.plural)) for kind in KINDS.values() if kind.expires),
)
"""Without these the operator works, but tells less, or leaves resources that are over, such as text messages."""


class Rights:
    """Asks and explains."""

    def __init__(self, api: Api, namespace: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._refused = (float("-inf"), float("-inf"))
        """When the present series of refusals began, and the latest of it."""
        self.patience = 0.0
        """Seconds of refusals that are waited out: none at the start, where to end costs nothing."""

    async def has(self, right: Right) -> bool:
        """Whether we hold a right now. A server that refuses the question itself is taken to allow."""
        attributes = {
            "namespace": self._namespace,
            "verb": right.verb,
            "group": right.address.group,
            "version": right.address.version,
            "resource": right.address.plural,
            "subresource": right.subresource,
            "name": right.name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
        }
        try:
            answer = await self._api.request("POST", REVIEWS, body=body)
        except ForbiddenError as error:
            log.warning("access_review_refused", error=error.message)
            return True
        return bool((answer.get("status") or {}).get("allowed"))

    async def missing(self, rights: Iterable[Right]) -> list[Right]:
        """Those of the rights that we lack."""
        asked = tuple(rights)
        allowed = await asyncio.gather(*(self.has(right) for right in asked))
        return [right for right, has in zip(asked, allowed, strict=True) if not has]

    async def demand(self, rights: Iterable[Right]) -> None:
        """End here where a right is missing.

        Raises:
            RightMissingError: names every missing right, the namespace and the cure.
            ApiError: the question could not be asked.
        """
        rights = tuple(rights)
        while lacking := await self.missing(rights):
            if self.lasts():
                raise self.refusal(lacking)
            await asyncio.sleep(1.0)

    async def explain(self, error: ApiError, rights: Iterable[Right]) -> Exception:
        """What to raise for a 403: the missing rights by name, or what the server said if we seem to hold all.

        An `UnavailableError` while it may pass by itself.
        """
        if not self.lasts():
            return UnavailableError(error.status, error.message)
        try:
            lacking = await self.missing(rights)
        except UnavailableError:
            lacking = []
        return self.refusal(lacking) if lacking else RightMissingError(f"the API server refused: {error.message}")

    def lasts(self) -> bool:
        """To be called at each refusal: whether they have gone on for longer than `patience`."""
        now, (first, latest) = self._clock(), self._refused
        self._refused = (first if now - latest <= REFUSED_AGAIN else now, now)
        return now - self._refused[0] >= self.patience

    def refusal(self, lacking: Iterable[Right]) -> RightMissingError:
        """The message for missing rights."""
        names = ", ".join(str(right) for right in lacking)
        return RightMissingError(
            f"missing rights in namespace {self._namespace}: {names}; grant them to this service account by a Role and "
            "a RoleBinding (the chart charts/dialplane brings both), then start again"
        )
