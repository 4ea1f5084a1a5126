"""The reference of the kinds, made from the models: a page for reading, and an answer for the terminal."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dialplane.resources.diagnosis import nearest
from dialplane.resources.kind import Kind
from dialplane.resources.kinds import KINDS, find_kind
from dialplane.resources.manifest import API_VERSION
from dialplane.resources.schema import Schema, described

WIDTH = 100
MARK = "<!-- All below is made from the models by `make docs`: do not edit. -->\n"
"""Divides a page: above it a person writes, below it stands the reference."""


class UnknownNameError(LookupError):
    """Somebody asked for a kind or a field that does not exist: show them the message, it names the nearest one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a kind."""

    path: str
    schema: Schema
    required: bool


def entries(schema: Schema, path: str) -> Iterator[Entry]:
    """Every field below `schema`, depth first, in the order of the models."""
    while "items" in schema:
        schema = schema["items"]
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        below = f"{path}.{name}" + ("[]" if "items" in field else "")
        yield Entry(below, field, name in required)
        yield from entries(field, below)


def reference_markdown(kind: str) -> str:
    """The reference page of a kind.

    Raises:
        UnknownNameError: there is no such kind.
    """
    found = _kind(kind)
    return f"{_title(found)}\n{_reference(found)}"


def reference_page(kind: str, text: str = "") -> str:
    """The page of a kind, its reference made anew.

    Args:
        kind: any of its names.
        text: the page as it is; what stands above `MARK` is kept. Empty for a page that does not exist yet.

    Raises:
        UnknownNameError: there is no such kind.
    """
    found = _kind(kind)
    head, mark, _ = text.partition(MARK)
    if not mark:
        head = f"{_title(found)}\n"
    return f"{head}{MARK}\n{_reference(found)}"


def page_names() -> dict[str, str]:
    """The name of each kind's page, by kind."""
    return {kind.name: f"{kind.singular}.md" for kind in KINDS.values()}


def _title(found: Kind) -> str:
    return f"# {found.name}\n\n{found.description}\n"


def _reference(found: Kind) -> str:
    lines = [
        f"`apiVersion: {API_VERSION}`, `kind: {found.name}`",
        "",
        f"`kubectl get {found.plural}.dialplane.io`, in short `kubectl get {found.short_names[0]}`.",
        "",
        "A field may be left out unless it is *required*; inside of an optional part, once that part is there.",
        "",
        "## Spec",
        "",
        "| field | type | default | description |",
        "| --- | --- | --- | --- |",
        *(_row(entry) for entry in entries(found.spec_schema, "spec")),
        "",
    ]
    rules = list(_rules(found.spec_schema, "spec"))
    if rules:
        lines += ["## Rules", "", *(f"- `{path}`: {message}" for path, message in rules), ""]
    lines += [
        "## Status",
        "",
        "| field | type | description |",
        "| --- | --- | --- |",
        *(
            f"| `{entry.path}` | {_type(entry.schema)} | {_cell(entry.schema.get('description', ''))} |"
            for entry in entries(found.status_schema, "status")
        ),
        "",
    ]
    return "\n".join(lines)


def explain(kind: str, path: str = "") -> str:
    """What `kubectl explain` would say, without a cluster.

    Args:
        kind: its name, plural, singular or short name.
        path: a field such as `spec.inbound.to`; empty for the whole kind. Index brackets are ignored, and a path that
            begins with neither `spec` nor `status` is looked up in the spec.

    Raises:
        UnknownNameError: there is no such kind or field.
    """
    found = _kind(kind)
    schema: Schema = {
        "type": "object",
        "description": found.description,
        "properties": {"spec": found.spec_schema, "status": found.status_schema},
    }
    steps = [step for step in path.replace("[]", "").split(".") if step]
    if steps and steps[0] not in schema["properties"]:
        steps.insert(0, "spec")
    for depth, step in enumerate(steps):
        while "items" in schema:
            schema = schema["items"]
        fields = schema.get("properties", {})
        if step not in fields:
            raise UnknownNameError(_no_field(found, steps[:depth], step, list(fields)))
        schema = fields[step]
    lines = [f"KIND:     {found.name}", f"VERSION:  {API_VERSION}", ""]
    if steps:
        lines += [f"FIELD:    {'.'.join(steps)} <{_type(schema)}>{_default(schema)}", ""]
    lines += ["DESCRIPTION:", _wrapped(schema.get("description", ""), 4), ""]
    fields = [entry for entry in entries(schema, "") if entry.path.removesuffix("[]").count(".") == 1]
    if fields:
        lines += ["FIELDS:"]
        for entry in fields:
            mark = " -required-" if entry.required else _default(entry.schema)
            lines += [f"  {entry.path[1:].removesuffix('[]')} <{_type(entry.schema)}>{mark}"]
            lines += [_wrapped(entry.schema.get("description", ""), 6), ""]
    return "\n".join(lines).rstrip() + "\n"


def _kind(word: str) -> Kind:
    found = find_kind(word)
    if found is None:
        near = nearest(word, list(KINDS))
        raise UnknownNameError(
            f"no kind {word!r}; " + (f"did you mean {near}?" if near else f"known: {', '.join(KINDS)}")
        )
    return found


def _no_field(kind: Kind, parents: list[str], step: str, known: list[str]) -> str:
    where = ".".join([kind.name, *parents])
    if not known:
        return f"{where} has no fields"
    near = nearest(step, known)
    return f"{where} has no field {step!r}; " + (f"did you mean {near}?" if near else f"known: {', '.join(known)}")


def _row(entry: Entry) -> str:
    default = _shown(entry.schema) if "default" in entry.schema else "*required*" if entry.required else ""
    return f"| `{entry.path}` | {_type(entry.schema)} | {default} | {_cell(described(entry.schema))} |"


def _shown(schema: Schema) -> str:
    if schema["type"] == "object":
        return "see its fields"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"


def _default(schema: Schema) -> str:
    if "default" not in schema or schema["type"] == "object":
        return ""  # the fields of an object say theirs
    return f" default {json.dumps(schema['default'], ensure_ascii=False)}"


def _type(schema: Schema) -> str:
    if "items" in schema:
        return f"[]{_type(schema['items'])}"
    return str(schema["type"])


def _rules(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path + rule.get("fieldPath", ""), rule["message"]
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}")


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|")


def _wrapped(text: str, indent: int) -> str:
    pad = " " * indent
    return textwrap.fill(text, WIDTH, initial_indent=pad, subsequent_indent=pad)
