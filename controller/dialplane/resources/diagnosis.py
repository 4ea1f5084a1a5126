"""What is wrong with a spec, in words that cure it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dialplane.resources.base import RULES_BROKEN
from dialplane.resources.distinct import DUPLICATE
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schema import Schema
from dialplane.resources.text import NOT_THIS

SHOWN: Final = 60
"""Characters of a wrong value that a message repeats."""

SHORTENED: Final = 3
"""Letters of a name that are enough to guess the rest."""

Location = Sequence[int | str]


def diagnose(error: ValidationError, schema: Schema, root: str) -> tuple[Problem, ...]:
    """Every error as a problem, sorted by field; `schema` is that of the whole, found at `root` in the manifest."""
    return diagnose_details(error.errors(include_url=False), schema, root)


def diagnose_details(details: Iterable[ErrorDetails], schema: Schema, root: str) -> tuple[Problem, ...]:
    """The same of pydantic's details alone, where somebody else caught the error."""
    found = {problem for detail in details for problem in _problems(detail, schema, dotted(root, detail["loc"]))}
    return tuple(sorted(found, key=lambda problem: (problem.field, problem.message)))


def dotted(root: str, location: Location) -> str:
    """A location as the manifest's reader writes it, such as `spec.inbound[0].to`."""
    path = root
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


def _problems(detail: ErrorDetails, schema: Schema, path: str) -> Iterator[Problem]:
    context = detail.get("ctx", {})
    if detail["type"] == RULES_BROKEN:
        for rule in context["rules"]:
            yield Problem(Reason.INVALID, rule.message, f"{path}.{rule.field}" if rule.field else path)
    elif detail["type"] == DUPLICATE:
        yield Problem(Reason.INVALID, f"{detail['msg']}: remove one", f"{path}[{context['index']}]")
    elif detail["type"] == "too_short" and len(detail["input"]) >= _at(schema, detail["loc"]).get("minItems", 0):
        return  # pydantic counts the valid items; those that are not have problems of their own
    elif detail["type"] == "extra_forbidden":
        yield Problem(Reason.INVALID, _unknown(detail["loc"], schema), path)
    else:
        yield Problem(Reason.INVALID, _message(detail, _at(schema, detail["loc"]), path), path)


def _at(schema: Schema, location: Location) -> Schema:
    for step in location:
        schema = schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
    return schema


def _unknown(location: Location, schema: Schema) -> str:
    known = list(_at(schema, location[:-1]).get("properties", {}))
    near = nearest(str(location[-1]), known)
    return f"unknown field; did you mean {near}?" if near else f"unknown field; known are {', '.join(sorted(known))}"


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that `word` was most likely meant to be, whatever its case and separators; empty if none is."""
    wanted = word.lower().replace("_", "").replace("-", "")
    plain = {name.lower(): name for name in known}
    longer = [name for name in plain if len(wanted) >= SHORTENED and name.startswith(wanted)]
    matches = get_close_matches(wanted, plain, n=1, cutoff=0.7) or longer
    return plain[matches[0]] if matches else ""


def _message(detail: ErrorDetails, schema: Schema, path: str) -> str:
    say = _MESSAGES.get(detail["type"])
    return say(_given(detail["input"], path), schema, detail) if say else detail["msg"]


def _given(value: Any, path: str) -> str:
    """The wrong value as the manifest has it, or what it is if that must not be shown or would be too long."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if "secretref" in path.lower():
        return "the value given"  # somebody may have put the secret itself there
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _string(given: str, _schema: Schema, detail: ErrorDetails) -> str:
    is_scalar = isinstance(detail["input"], bool | int | float)
    return f"must be text, not {given}" + (": put it in quotes" if is_scalar else "")


def _choice(given: str, schema: Schema, detail: ErrorDetails) -> str:
    allowed = [str(choice) if isinstance(choice, str) else json.dumps(choice) for choice in schema.get("enum", ())]
    near = nearest(detail["input"], allowed) if isinstance(detail["input"], str) else ""
    hint = f"; did you mean {near}?" if near else ""
    listed = f"one of {', '.join(allowed)}" if len(allowed) > 1 else "".join(allowed)
    return f"must be {listed}, not {given}{hint}"


def _bounds(given: str, schema: Schema, _detail: ErrorDetails) -> str:
    optional = schema.get("anyOf", ())  # of a body's field that may be null
    schema = next((each for each in optional if "minimum" in each or "maximum" in each), schema)
    return f"must be from {schema.get('minimum', '-')} to {schema.get('maximum', 'any')}, not {given}"


def _length(_given: str, schema: Schema, detail: ErrorDetails) -> str:
    return f"must have {schema.get('minItems', 0)} to {schema.get('maxItems', 'any')} items, not {_count(detail)}"


def _count(detail: ErrorDetails) -> str:
    value = detail["input"]
    return str(len(value)) if isinstance(value, list | tuple | str) else "that many"


def _required(_given: str, schema: Schema, _detail: ErrorDetails) -> str:
    description = str(schema.get("description", "")).split(". ")[0].rstrip(".")
    return f"is required: {description[:1].lower()}{description[1:]}" if description else "is required"


_MESSAGES: Final[Mapping[str, Callable[[str, Schema, ErrorDetails], str]]] = {
    "missing": _required,
    "string_type": _string,
    NOT_THIS: lambda given, _schema, detail: f"{given} is not {detail['msg']}",
    "int_type": lambda given, _schema, _detail: f"must be a whole number without quotes, not {given}",
    "int_from_float": lambda given, _schema, _detail: f"must be a whole number, not {given}",
    "bool_type": lambda given, _schema, _detail: f"must be true or false, not {given}",
    "literal_error": _choice,
    "greater_than_equal": _bounds,
    "less_than_equal": _bounds,
    "too_short": _length,
    "too_long": _length,
    "tuple_type": lambda given, _schema, _detail: f"must be a list, not {given}",
    "model_type": lambda given, _schema, _detail: f"must be a mapping of fields, not {given}",
    "model_attributes_type": lambda given, _schema, _detail: f"must be a mapping of fields, not {given}",
}
