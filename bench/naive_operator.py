"""The usual kopf operator, as a yardstick: one handler per change, one finalizer, one status patch per object.

Run with ``kopf run -n NAMESPACE naive_operator.py`` against a cluster that has the CRDs. It writes
``status.observedGeneration`` and nothing else: no file, no Asterisk, no condition.
"""

from typing import Any

import kopf

EXTENSIONS = ("dialplane.io", "v1alpha1", "extensions")


@kopf.on.startup()
async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Nothing that would cost it time: no peering, no Events, no look for namespaces and kinds to come."""
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True


@kopf.on.create(*EXTENSIONS)
@kopf.on.update(*EXTENSIONS)
@kopf.on.resume(*EXTENSIONS)
async def reconcile(patch: kopf.Patch, meta: kopf.Meta, **_: Any) -> None:
    """Say that this generation was seen."""
    patch.status["observedGeneration"] = meta["generation"]


@kopf.on.delete(*EXTENSIONS)
async def delete(**_: Any) -> None:
    """Nothing to undo; being there puts a finalizer on every object."""
