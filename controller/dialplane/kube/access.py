"""What the operator may do, asked of the API server itself, and one clear message where something is missing.

Why ask: what is missing is named all at once and at the start, not one refusal after the other.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from dialplane.kube.addresses import EVENTS, LEASES, SECRETS, Address
from dialplane.kube.api import Api
from dialplane.kube.errors import ApiError, ForbiddenError, RightMissingError, UnavailableError

log = structlog.get_logger(__name__)

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


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
    rights += [Right("list", SECRETS), Right("watch", SECRETS)]
    if lease:
        rights.append(Right("create", LEASES))  # which RBAC cannot narrow to a name
        rights += [Right(verb, LEASES, name=lease) for verb in ("get", "update")]
    return tuple(rights)


WANTED = (Right("create", EVENTS), Right("patch", EVENTS))
"""Without these the operator works, but tells less."""


class Rights:
    """Asks and explains."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

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
        if lacking := await self.missing(rights):
            raise self.refusal(lacking)

    async def explain(self, error: ApiError, rights: Iterable[Right]) -> Exception:
        """What to raise for a 403: the missing rights by name, or what the server said if we seem to hold all."""
        try:
            lacking = await self.missing(rights)
        except UnavailableError:
            lacking = []
        return self.refusal(lacking) if lacking else RightMissingError(f"the API server refused: {error.message}")

    def refusal(self, lacking: Iterable[Right]) -> RightMissingError:
        """The message for missing rights."""
        names = ", ".join(str(right) for right in lacking)
        return RightMissingError(
            f"missing rights in namespace {self._namespace}: {names}; grant them to this service account by a Role and "
            "a RoleBinding (the chart charts/dialplane brings both), then start again"
        )
