"""ConfigMaps without Kubernetes: `v1` ConfigMap manifests. Messages never contain a value: a list names people."""

import re
from collections.abc import Mapping
from typing import Any, Final

ConfigMaps = Mapping[str, Mapping[str, str]]

SIZE_LIMIT: Final = 1024 * 1024
"""Bytes of all values together: more the API server would not take."""

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "data", "binaryData", "immutable"})


def config_map_values(manifest: Mapping[str, Any]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The values of a ConfigMap manifest, and what is wrong with it as (field, message) pairs."""
    values: dict[str, str] = {}
    flaws: list[tuple[str, str]] = [
        (name, "a ConfigMap has no such field: its values stand under data") for name in manifest if name not in _FIELDS
    ]
    if manifest.get("binaryData"):
        flaws.append(("binaryData", "is not read: write the value as text under data"))
    entries = manifest.get("data")
    if entries is None:
        return values, flaws
    if not isinstance(entries, Mapping):
        return values, [*flaws, ("data", "must be a mapping of keys to text")]
    for key, value in entries.items():
        if not _KEY.fullmatch(key):
            flaws.append((f"data.{key}", "a key may have letters, digits, '-', '_' and '.': rename it"))
        elif not isinstance(value, str):
            flaws.append((f"data.{key}", "must be text: quote it"))
        else:
            values[key] = value
    if sum(len(value.encode()) for value in values.values()) > SIZE_LIMIT:
        flaws.append(("data", "has more than 1 MiB, which Kubernetes would not take: split it into several ConfigMaps"))
    return values, flaws
