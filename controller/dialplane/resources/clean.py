"""From whatever a front door read to JSON that a model can judge.

What the API server does before it validates is done here too, so that a manifest means the same through either door.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schema import Schema

DEPTH: Final = 32
"""No kind nests deeper; a deeper manifest is an accident or an attack."""

_INT64: Final = 2**63


def cleaned(raw: Any, schema: Schema) -> Any:
    """`raw` as plain JSON values, without nulls in known fields: to the API server null means left out.

    An unknown field keeps its null, so that it is still refused. Call `foreign` first.
    """
    if isinstance(raw, Mapping):
        known = schema.get("properties", {})
        return {
            name: cleaned(value, known.get(name, {}))
            for name, value in raw.items()
            if not (value is None and name in known)
        }
    if _is_list(raw):
        return [cleaned(item, schema.get("items", {})) for item in raw]
    return raw


def has_null(raw: Any) -> bool:
    """Whether there is a null anywhere in `raw`: few manifests have one, and `cleaned` needs no schema without."""
    if isinstance(raw, Mapping):
        return any(has_null(value) for value in raw.values())
    return any(map(has_null, raw)) if _is_list(raw) else raw is None


def foreign(raw: Any, path: str, depth: int = 0) -> Iterator[Problem]:
    """What in `raw` is not JSON: YAML knows dates, keys that are no text, and values that contain themselves."""
    if depth > DEPTH:
        yield Problem(Reason.INVALID, f"nested more than {DEPTH} deep", path)
    elif isinstance(raw, Mapping):
        for name, value in raw.items():
            if not isinstance(name, str) or not _is_unicode(name):
                yield Problem(
                    Reason.INVALID, f"the name of a field must be text, not {str(name)[:40]!r}: quote it", path
                )
            else:
                yield from foreign(value, f"{path}.{name}", depth + 1)
    elif _is_list(raw):
        for index, item in enumerate(raw):
            yield from foreign(item, f"{path}[{index}]", depth + 1)
    elif message := _not_json(raw):
        yield Problem(Reason.INVALID, message, path)


def _not_json(raw: Any) -> str:
    if raw is None or isinstance(raw, bool):
        return ""
    if isinstance(raw, str):
        return "" if _is_unicode(raw) else "contains half a surrogate pair, which is no character"
    if isinstance(raw, int):
        return "" if -_INT64 <= raw < _INT64 else "the number does not fit into 64 bits"
    if isinstance(raw, float):
        return "" if math.isfinite(raw) else "must be a finite number"
    return f"YAML reads this as a {type(raw).__name__}: quote it to have text"


def _is_list(raw: Any) -> bool:
    return isinstance(raw, Sequence) and not isinstance(raw, str | bytes | bytearray)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
