"""The API server's question whether a resource may be created or changed, put to kopf and answered from the inventory.

The verdict is the plan's (`plan.admission`). Guarantees:

- refused is nothing that the plan would accept, and nothing at all by an error of ours: that is logged, and the change
  passes and is judged by the plan, as it is where nobody answers;
- a change of anything but the spec (a label, a finalizer) is not looked at; statuses and deletions do not come here;
- nothing is written, so that a dry run is a review like any other.
"""

from collections.abc import Mapping
from typing import Any, Final

import kopf
import structlog

from dialplane.kube.inventory import CONFIG_MAP, SECRET, Inventory
from dialplane.kube.metrics import ADMISSION_SECONDS, ADMISSIONS
from dialplane.logs import log_unexpected
from dialplane.plan.admission import Admission, Verdict
from dialplane.resources.manifest import GROUP, VERSION

log = structlog.get_logger(__name__)
JSON = Any

PATH: Final = "admission"
"""Below the webhook's address; kopf takes it for the name of the handler."""
REFUSED: Final = 422
"""Not 409, after which kubectl would try the same again, five times, or speak of conflicts between field managers."""
WARNINGS_MOST: Final = 8
"""Warnings of one answer: the API server shortens or drops what is more than 4,096 characters in all."""


class AdmissionHandler:
    """Answers reviews of Dialplane's kinds."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._admission = Admission()

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Make it a handler of kopf's."""

        @kopf.on.validate(GROUP, VERSION, kopf.EVERYTHING, id=PATH, operations=["CREATE", "UPDATE"], registry=registry)
        async def admit(body: kopf.Body, warnings: list[str], old: kopf.Body | None = None, **_: JSON) -> None:
            verdict = self.verdict(body, old)
            warnings += shortened(verdict.warnings)
            if verdict.refusals:
                raise kopf.AdmissionError("; ".join(map(str, verdict.refusals)), code=REFUSED)

    def verdict(self, new: Mapping[str, JSON], old: Mapping[str, JSON] | None) -> Verdict:
        """Judge one change.

        Args:
            new: the object as it would be.
            old: the object as it is; None where it is to be created.
        """
        kind, result = str(new.get("kind")), "failed"
        try:
            with ADMISSION_SECONDS.time():
                verdict = self._verdict(new, old)
            result = "refused" if verdict.refusals else "admitted"
        except Exception as error:  # noqa: BLE001 -- whatever it is, the API server must not be held up by it
            log_unexpected("admission_failed", error, kind=kind)
            verdict = Verdict()
        ADMISSIONS.labels(kind, result).inc()
        if verdict.refusals:
            name = f"{kind}/{new['metadata']['name']}"
            log.info("admission_refused", resource=name, problem="; ".join(map(str, verdict.refusals)))
        return verdict

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
