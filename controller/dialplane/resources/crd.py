"""The CustomResourceDefinitions, made from the kinds: pure data, as text in `crd_files`."""

import json
from typing import Any

from dialplane.resources.fields import OBJECT_NAME
from dialplane.resources.kind import Column, Kind
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import GROUP, VERSION
from dialplane.resources.schema import Schema, described, plain

CATEGORY = "dialplane"
"""`kubectl get dialplane` lists every kind."""


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind.

    Raises:
        SchemaError: a model says something that a CRD cannot.
    """
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "categories": [CATEGORY],
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "shortNames": list(kind.short_names),
                "singular": kind.singular,
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": _schema(kind)},
                }
            ],
        },
    }


def crds() -> dict[str, dict[str, Any]]:
    """Every CustomResourceDefinition by the name of its file; `crd_files.crd_files` has their text."""
    return {f"{GROUP}_{kind.plural}.yaml": crd(kind) for kind in KINDS.values()}


def _column(column: Column) -> dict[str, Any]:
    said: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return {**said, "priority": 1} if column.wide else said


def _schema(kind: Kind) -> dict[str, Any]:
    spec = _telling(kind.spec_schema)
    if not kind.needs_spec:
        spec["default"] = plain(kind.spec())  # so that a manifest without spec has every default, as in Python
    schema: dict[str, Any] = {
        "type": "object",
        "description": kind.description,
        "properties": {
            "apiVersion": {"type": "string", "description": f"`{GROUP}/{VERSION}`."},
            "kind": {"type": "string", "description": f"`{kind.name}`."},
            "metadata": {
                "type": "object",
                # Names go into Asterisk's files, and other manifests refer to them as labels.
                "properties": {"name": {"type": "string", **OBJECT_NAME.bounds}},
            },
            "spec": spec,
            "status": _telling(kind.status_schema),
        },
    }
    if kind.needs_spec:
        schema["required"] = ["spec"]
    return schema


def _telling(schema: Schema, *, in_list: bool = False) -> Schema:
    """A copy whose descriptions tell bounds and defaults too, because `kubectl explain` shows descriptions alone.

    Below a list no default remains but in words: `kubectl apply`, and all that compare as it does, take a list for one
    value, and one that the API server filled in for a change that never ends. The models have every default.
    """
    told = dict(schema)
    if "description" in schema:
        told["description"] = described(schema)
        if "default" in schema and schema["type"] != "object":
            told["description"] += f" Default `{json.dumps(schema['default'], ensure_ascii=False)}`."
    if in_list:
        told.pop("default", None)
    if "properties" in schema:
        told["properties"] = {name: _telling(field, in_list=in_list) for name, field in schema["properties"].items()}
    if "items" in schema:
        told["items"] = _telling(schema["items"], in_list=True)
    return told
