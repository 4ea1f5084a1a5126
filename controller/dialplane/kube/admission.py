"""The API server's question whether a resource may be created or changed, put to kopf and answered from the inventory.

The verdict is the plan's (`plan.admission`). Guarantees:

- nothing is refused that the plan would accept: before a refusal, the resources that it names are read again,
  consistently, because the watch may be behind;
- refused is nothing at all by an error of ours, or where that read is not answered in time: that is logged, and the
  change passes and is judged by the plan, as it is where nobody answers;
- a change of anything but the spec (a label, a finalizer) is not looked at; statuses and deletions do not come here;
- nothing is written, so that a dry run is a review like any other;
- a review that is not of this site's resources reaches no handler: kopf keeps a record of whatever it is asked about.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import kopf
import structlog

from dialplane.kube.errors import KubeError
from dialplane.kube.inventory import CONFIG_MAP, SECRET, Inventory
from dialplane.kube.metrics import ADMISSION_SECONDS, ADMISSIONS
from dialplane.kube.shelf import Suspicion
from dialplane.logs import log_unexpected
from dialplane.plan.admission import Admission, Verdict
from dialplane.resources.key import Key
from dialplane.resources.manifest import GROUP, VERSION

log = structlog.get_logger(__name__)
JSON = Any

PATH: Final = "admission"
"""Below the webhook's address; kopf takes it for the name of the handler."""
REFUSED: Final = 422
"""Not 409, after which kubectl would try the same again, five times, or speak of conflicts between field managers."""
REREAD_LIMIT: Final = 1.0
"""Seconds in which the resources that a refusal names must be read again; the API server waits two for everything."""
_REVIEW: Final = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
WARNINGS_MOST: Final = 8
"""Warnings of one answer: the API server shortens or drops what is more than 4,096 characters in all."""


class AdmissionHandler:
    """Answers reviews of Dialplane's kinds."""

    def __init__(self, inventory: Inventory, reread: Callable[[str, Iterable[Suspicion]], Awaitable[None]]) -> None:
        """Judge by the `inventory`, into which `reread` reads objects of a kind consistently."""
        self._inventory = inventory
        self._reread = reread
        self._admission = Admission()

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Make it a handler of kopf's."""

        @kopf.on.validate(GROUP, VERSION, kopf.EVERYTHING, id=PATH, operations=["CREATE", "UPDATE"], registry=registry)
        async def admit(body: kopf.Body, warnings: list[str], old: kopf.Body | None = None, **_: JSON) -> None:
            verdict = await self.review(body, old)
            warnings += shortened(verdict.warnings)
            if verdict.refusals:
                raise kopf.AdmissionError("; ".join(map(str, verdict.refusals)), code=REFUSED)

    def guard(self, server: kopf.WebhookServerProtocol) -> kopf.WebhookServerProtocol:
        """Return a server that admits by itself what no handler needs to see."""

        async def guarded(fn: kopf.WebhookFn) -> AsyncIterator[kopf.WebhookClientConfig]:
            async def review(request: JSON, **more: JSON) -> JSON:
                asked = request.get("request") or {}
                if self._concerns(asked):
                    return await fn(request, **more)
                return {**_REVIEW, "response": {"uid": str(asked.get("uid", "")), "allowed": True}}

            async for config in server(review):
                yield config

        return guarded

    def _concerns(self, asked: Mapping[str, JSON]) -> bool:
        """Whether a review is of a new resource of this site, or of one that is there."""
        kind = str((asked.get("kind") or {}).get("kind"))
        if asked.get("namespace") != self._inventory.namespace or kind not in self._inventory.kinds:
            return False
        if asked.get("operation") == "CREATE":
            return True
        held = self._inventory.held(Key(kind, str(asked.get("name"))))
        uid = ((asked.get("oldObject") or {}).get("metadata") or {}).get("uid")
        return held is not None and held.uid == uid

    async def review(self, new: Mapping[str, JSON], old: Mapping[str, JSON] | None) -> Verdict:
        """Judge one change; a refusal is sure.

        Args:
            new: the object as it would be.
            old: the object as it is; None where it is to be created.
        """
        verdict = self.verdict(new, old)
        if verdict.refusals and verdict.others:
            verdict = self.verdict(new, old) if await self._look_again(verdict.others) else Verdict()
        kind = str(new.get("kind"))
        ADMISSIONS.labels(kind, "refused" if verdict.refusals else "admitted").inc()
        if verdict.refusals:
            name = f"{kind}/{new['metadata']['name']}"
            log.info("admission_refused", resource=name, problem="; ".join(map(str, verdict.refusals)))
        return verdict

    async def _look_again(self, keys: Iterable[Key]) -> bool:
        """Read these consistently; False where nobody answers in time."""
        try:
            async with asyncio.timeout(REREAD_LIMIT):
                for key in keys:
                    held = self._inventory.held(key)
                    if held is not None:
                        await self._reread(key.kind, (Suspicion(key.name, held.uid),))
        except (KubeError, TimeoutError) as error:
            log.warning("admission_unsure", error=str(error) or type(error).__name__, effect="the change passes")
            return False
        return True

    def verdict(self, new: Mapping[str, JSON], old: Mapping[str, JSON] | None) -> Verdict:
        """Judge one change by the inventory as it is; see `review`."""
        try:
            with ADMISSION_SECONDS.time():
                return self._verdict(new, old)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the API server must not be held up by it
            kind = str(new.get("kind"))
            log_unexpected("admission_failed", error, kind=kind)
            ADMISSIONS.labels(kind, "failed").inc()
            return Verdict()

    def _verdict(self, new: Mapping[str, JSON], old: Mapping[str, JSON] | None) -> Verdict:
        inventory = self._inventory
        if not inventory.passed or not new["metadata"].get("name"):
            return Verdict()
        if old is not None and old.get("spec") == new.get("spec"):
            return Verdict()
        resource, snapshot = inventory.parse(new), inventory.snapshot()
        references = inventory.references(resource)
        values = {SECRET: snapshot.secrets, CONFIG_MAP: snapshot.config_maps}
        unread = {name for kind, name in references if name not in values[kind] and inventory.exists(kind, name)}
        before = inventory.parse(old) if old is not None else None
        return self._admission.review(snapshot, resource, before, unread)


def shortened(warnings: tuple[str, ...]) -> list[str]:
    """Return as many warnings as people read, and how many more there are."""
    if len(warnings) <= WARNINGS_MOST:
        return list(warnings)
    return [*warnings[: WARNINGS_MOST - 1], f"and {len(warnings) - WARNINGS_MOST + 1} more"]
