"""A namespace in miniature: a server whose objects change, and the kinds that a test needs. No server, no clock."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from dialplane.kube.inventory import CONFIG_MAP, REFERRED, SECRET, Inventory, Reference, line_of
from dialplane.kube.shelf import Line
from dialplane.resources.base import Spec
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource

EXTENSION, TRUNK = "Extension", "SipTrunk"
KINDS = (EXTENSION, TRUNK)


class PlainSpec(Spec):
    value: int
    secret: str | None = None
    list: str | None = None


def parse(manifest: Mapping[str, Any]) -> Resource:
    metadata = manifest["metadata"]
    return Resource(
        key=Key(manifest["kind"], metadata["name"]),
        spec=PlainSpec(**manifest["spec"]),
        annotations=dict(metadata.get("annotations") or {}),
        uid=metadata["uid"],
        generation=metadata["generation"],
    )


def references(resource: Resource) -> Iterable[Reference]:
    assert isinstance(resource.spec, PlainSpec)
    named = (SECRET, resource.spec.secret), (CONFIG_MAP, resource.spec.list)
    return [(kind, name) for kind, name in named if name]


def new_inventory() -> Inventory:
    return Inventory("site", KINDS, parse, references)


class Server:
    """What the API server holds. Every change returns the new object; `versions` grow over all kinds, as etcd's do."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 100
        self._uids = 0

    @property
    def version(self) -> int:
        """The latest one, over all kinds."""
        return self._version

    def put(
        self, kind: str, name: str, value: int = 0, secret: str | None = None, list_: str | None = None
    ) -> dict[str, Any]:
        """Create it, or change its spec (of a Secret or a ConfigMap: its value)."""
        content = {
            SECRET: {"data": {"v": encode(str(value))}},
            CONFIG_MAP: {"data": {"v": str(value)}},
        }.get(kind, {"spec": {"value": value, "secret": secret, "list": list_}})
        old = self.objects.get((kind, name))
        if old is None:
            self._uids += 1
            metadata = {"name": name, "uid": f"uid-{self._uids}", "generation": 1, "annotations": {}}
            return self._keep(kind, name, {"metadata": metadata, **content})
        bump = 0 if kind in REFERRED else int(old["spec"] != content["spec"])
        return self._keep(kind, name, {**old, **content}, generation=old["metadata"]["generation"] + bump)

    def annotate(self, kind: str, name: str, annotation: str, value: str) -> dict[str, Any]:
        old = self.objects[kind, name]
        return self._keep(kind, name, old, annotations={**old["metadata"]["annotations"], annotation: value})

    def set_status(self, kind: str, name: str, status: dict[str, Any]) -> dict[str, Any]:
        return self._keep(kind, name, {**self.objects[kind, name], "status": status})

    def delete(self, kind: str, name: str) -> dict[str, Any]:
        obj = self.objects.pop((kind, name))
        self._version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}

    def lines(self, kind: str) -> list[Line]:
        return [line_of(kind, o["metadata"]) for (k, _), o in self.objects.items() if k == kind]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: o for (k, name), o in self.objects.items() if k == kind}

    def _keep(self, kind: str, name: str, obj: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        self._version += 1
        obj = {**obj, "metadata": {**obj["metadata"], **metadata, "resourceVersion": str(self._version)}}
        self.objects[kind, name] = obj
        return obj


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def list_all(inventory: Inventory, server: Server, *, settle: bool = True) -> None:
    """What the reader does: a LIST per kind, then a consistent read of what it puts in doubt."""
    for kind in (*KINDS, *REFERRED):
        suspects = inventory.listed(kind, server.lines(kind))
        if settle:
            inventory.reread(kind, suspects, server.of(kind))
    read_values(inventory, server)


def read_values(inventory: Inventory, server: Server) -> None:
    """What the reader does for values that are wanted."""
    for kind in REFERRED:
        inventory.reread(kind, inventory.unread(kind), server.of(kind), whole=True)
