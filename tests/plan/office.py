"""A small site with everything in it, for tests of planning."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from ruamel.yaml import YAML

from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import API_VERSION, parse
from dialplane.resources.snapshot import Snapshot

EXAMPLE = Path(__file__).parents[2] / "examples" / "office"


def manifest(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **metadata}, "spec": dict(spec)}


def snapshot(
    manifests: Iterable[Mapping[str, Any]],
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    config_maps: Mapping[str, Mapping[str, str]] | None = None,
) -> Snapshot:
    resources = [parse(m) for m in manifests]
    held = {name: {k: SecretStr(v) for k, v in keys.items()} for name, keys in (secrets or {}).items()}
    return Snapshot("default", {r.key: r for r in resources}, held, config_maps or {})


def office() -> tuple[list[dict[str, Any]], dict[str, dict[str, str]]]:
    """The manifests and the Secrets of `examples/office`."""
    documents = [d for path in sorted(EXAMPLE.glob("*.yaml")) for d in YAML(typ="safe").load_all(path) if d]
    manifests = [d for d in documents if d["kind"] in KINDS]
    secrets = {d["metadata"]["name"]: dict(d["stringData"]) for d in documents if d["kind"] == "Secret"}
    return manifests, secrets
