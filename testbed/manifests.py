"""Manifests as tests and benchmarks write them: plain values, one function a kind of need."""

import base64
import itertools
from typing import Any

from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION

Manifest = dict[str, Any]

_VERSIONS = itertools.count(1)

PLURALS = {name: kind.plural for name, kind in KINDS.items()}


def manifest(kind: str, name: str, **spec: Any) -> Manifest:
    """A resource of ours."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def secret(name: str, **values: str) -> Manifest:
    """A Secret with these values, in clear."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def config_map(name: str, **values: str) -> Manifest:
    """A ConfigMap with these values."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


def condition(seen: Manifest, kind: str) -> dict[str, Any]:
    """That condition of a resource as a front door shows it; empty where there is none."""
    conditions = seen.get("status", {}).get("conditions", ())
    return next((dict(c) for c in conditions if c["type"] == kind), {})


def as_served(made: Manifest) -> Manifest:
    """The object as an API server has it, newly created: a Secret's values encoded, with a uid and a version."""
    version = str(next(_VERSIONS))
    served = {"uid": f"uid-{version}", "resourceVersion": version, "generation": 1}
    created = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    if text := made.get("stringData"):
        made = {**made, "data": {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}}
    return {**made, "metadata": {**made["metadata"], **served, **created}}
