"""PURE: a resource as a line of a table, by its kind's printer columns, as `kubectl get` shows it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dialplane.resources.key import Key
from dialplane.resources.kind import Column, Kind
from dialplane.standalone.status_file import Entry

CELL: Final = 80
"""Characters of a cell at most; what is longer is cut."""

_STEP: Final = re.compile(r"\.([A-Za-z]+)|\[\?\(@\.([a-z]+)==\"([A-Za-z]+)\"\)\]")


def row(key: Key, entry: Entry, kind: Kind, *, wide: bool) -> list[str]:
    """A resource's line, by its kind's printer columns."""
    manifest = entry.manifest(key)
    return [key.name, *(_cell(manifest, column, kind) for column in kind.columns if wide or not column.wide)]


def headings(kind: Kind, *, wide: bool) -> list[str]:
    """The columns' names, as kubectl spells them."""
    return ["NAME", *(column.name.upper() for column in kind.columns if wide or not column.wide)]


def colours(cells: list[str], names: list[str]) -> list[str | None]:
    """Green and red where a condition says True or False."""
    shades: dict[str, str] = {"True": "green", "False": "red", "Unknown": "yellow"}
    return [
        shades.get(cell) if name not in {"NAME", "MESSAGE"} else None for cell, name in zip(cells, names, strict=True)
    ]


def _cell(manifest: Mapping[str, Any], column: Column, kind: Kind) -> str:
    value = _look_up(manifest, column.path)
    if value is None:
        return _default(column.path, kind)
    if column.type == "date":
        return _age(str(value))
    text = " ".join(str(value).split())
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def _default(path: str, kind: Kind) -> str:
    """What the API server writes into a manifest that does not have this field of its spec."""
    for field in kind.spec.model_fields.values():
        if path == f".spec.{field.alias}":
            return field.default if isinstance(field.default, str) else ""
    return ""


def _look_up(value: Any, path: str) -> Any:
    """The part of JSONPath that printer columns use: `.field`, and `[?(@.type=="Ready")]` over a list."""
    for field, test, wanted in _STEP.findall(path):
        if field:
            value = value.get(field) if isinstance(value, Mapping) else None
        else:
            items = value if isinstance(value, list) else []
            value = next((item for item in items if item.get(test) == wanted), None)
    return value


def _age(timestamp: str) -> str:
    """How long ago, as kubectl says it: 45s, 12m, 5h, 3d."""
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())
    except ValueError:
        return "<unknown>"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
