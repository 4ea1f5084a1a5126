"""Values in place of Secrets that are not here: in CI they never are, and generated ones are made by the controller.

With them the rest of a site is judged as if it were complete: one missing Secret is one line, not one more for every
route that leads to its extension.
"""

from dataclasses import replace
from typing import Final

from pydantic import SecretStr

from dialplane.resources.base import Spec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.references import secret_refs
from dialplane.resources.snapshot import Snapshot

GENERATED: Final = "spec.generateCredentials"

PEM_STAND_INS: Final = {
    "tls.crt": "-----BEGIN CERTIFICATE-----\nstand-in\n-----END CERTIFICATE-----\n",
    "tls.key": "-----BEGIN PRIVATE KEY-----\nstand-in\n-----END PRIVATE KEY-----\n",
}


def completed(snapshot: Snapshot, *, generated_only: bool) -> Snapshot:
    """The snapshot with every value that a resource refers to; those that are there stay.

    Args:
        snapshot: the site.
        generated_only: fill in what the controller would generate, and leave the user's own Secrets missing.
    """
    secrets = {name: dict(values) for name, values in snapshot.secrets.items()}
    for key, resource in snapshot.resources.items():
        if resource.spec is None:
            continue
        for field, name, keys in secret_refs(resource.spec, key.name):
            if generated_only and field != GENERATED:
                continue
            values = secrets.setdefault(name, {})
            for entry in keys:
                values.setdefault(entry, SecretStr(_value(resource.spec, field, entry)))
    return replace(snapshot, secrets=secrets)


def _value(spec: Spec, field: str, entry: str) -> str:
    if entry == "username" and isinstance(spec, ExtensionSpec):
        return spec.number
    if entry in PEM_STAND_INS:
        return PEM_STAND_INS[entry]
    return "135790" if field.endswith("pinSecretRef") else "stand-in-for-a-secret"
