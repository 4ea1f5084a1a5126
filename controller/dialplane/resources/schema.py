"""From a model to a structural schema, as a CRD carries it.

The API server refuses some JSON Schema and silently drops more, so this fails on every keyword that it does not know to
be kept. The diagnosis of manifests and the reference are made from the same schema: one description, three readers.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from dialplane.resources.base import Part

Schema = dict[str, Any]

KEPT: Final = (
    "type", "description", "default", "enum", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
    "required", "properties", "items",
)  # fmt: skip
"""Keywords that the API server takes and keeps, in the order they are written."""

DROPPED: Final = frozenset({"title", "additionalProperties", "$defs"})
"""Keywords that say nothing in a CRD: it prunes unknown fields where the models refuse them."""


class SchemaError(Exception):
    """A model says something that a CRD cannot: change the model."""


class _Generator(GenerateJsonSchema):
    """Writes a part's default whole: the API server applies the rules to it before it fills in defaults inside."""

    def encode_default(self, dft: Any) -> Any:
        """The default as JSON."""
        return plain(dft)


@cache
def schema_of(model: type[Part], *, defaults: bool = True) -> Schema:
    """The structural schema of a part; shared, so copy before changing it.

    Args:
        model: the part.
        defaults: False for a status, where what the controller did not write is unknown.

    Raises:
        SchemaError: the model says something that a CRD cannot.
    """
    raw = model.model_json_schema(mode="validation", by_alias=True, schema_generator=_Generator)
    return _structural(raw, raw.get("$defs", {}), model.__name__, defaults=defaults)


def _structural(raw: Mapping[str, Any], definitions: Mapping[str, Any], where: str, *, defaults: bool) -> Schema:
    node = _without_null(_inlined(raw, definitions), definitions, where)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if unknown := node.keys() - set(KEPT) - DROPPED:
        raise SchemaError(f"{where}: the API server would refuse or drop {', '.join(sorted(unknown))}")
    schema: Schema = {key: node[key] for key in KEPT if key in node}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if not defaults or schema.get("default", ...) is None:
        schema.pop("default", None)
    if "properties" in schema:
        schema["properties"] = {
            name: _structural(field, definitions, f"{where}.{name}", defaults=defaults)
            for name, field in schema["properties"].items()
        }
    if "items" in schema:
        schema["items"] = _structural(schema["items"], definitions, f"{where}[]", defaults=defaults)
    if "type" not in schema:
        raise SchemaError(f"{where}: a structural schema needs a type everywhere")
    return schema


def _inlined(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    node = dict(raw)
    while "$ref" in node:
        target = definitions[node.pop("$ref").removeprefix("#/$defs/")]
        node = {**target, **node}  # a field's own description goes before its type's
    return node


def _without_null(node: Schema, definitions: Mapping[str, Any], where: str) -> Schema:
    """An optional field is one that may be left out; the API server drops a null by itself."""
    if "anyOf" not in node:
        return node
    options = [option for option in node.pop("anyOf") if option != {"type": "null"}]
    if len(options) != 1:
        raise SchemaError(f"{where}: a union is optional fields and a rule, not anyOf")
    return {**_inlined(options[0], definitions), **node}


def plain(value: Any) -> Any:
    """A value of a model as a manifest would have it."""
    if isinstance(value, Part):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def described(schema: Schema) -> str:
    """The description, and the bounds as sentences: most ways to show a description do not show the bounds."""
    said = [schema.get("description", "")]
    if "minimum" in schema:
        said.append(f"From {schema['minimum']} to {schema.get('maximum', 'any')}.")
    choices = schema.get("items", schema).get("enum", ())
    if len(choices) > 1 and not all(f"`{choice}`" in said[0] for choice in choices):
        said.append(f"One of {', '.join(f'`{choice}`' for choice in choices)}.")
    if "maxItems" in schema:
        said.append(f"{schema.get('minItems', 0)} to {schema['maxItems']} items.")
    return " ".join(part for part in said if part)
