"""Rules between the fields of a manifest: written once, checked twice.

The API server checks `cel` at admission, so that `kubectl apply` fails at once; Python checks `holds` for every other
door. Both say the same message about the same field. `tests/resources` keeps an admitted and a refused example of
each rule and applies them to both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence that must hold for a part of a manifest.

    Rules run after defaults, on a part whose fields are valid by themselves. Keep `cel` cheap: the API server
    budgets it by the largest list that the schema allows.
    """

    id: str
    """Names the rule in the table of examples; unique among all kinds."""
    message: str
    """The cure, as both doors show it. Never mentions a value, so that it may stand beside a secret."""
    field: str
    """The field at fault, as the manifest spells it, relative to the part; empty for the part itself."""
    cel: str
    """The rule in CEL; `self` is the part, an optional field needs `has()`."""
    holds: Callable[[Any], bool]
    """The rule in Python, given the validated part."""

    def as_validation(self) -> dict[str, str]:
        """The rule as an item of `x-kubernetes-validations`."""
        validation = {"rule": self.cel, "message": self.message}
        if self.field:
            validation["fieldPath"] = f".{self.field}"
        return validation


def exactly_one(id_: str, *fields: str, message: str = "") -> Rule:
    """The rule that a union obeys: exactly one of these optional fields is there (camelCase names)."""
    listed = ", ".join(fields[:-1]) + " and " + fields[-1]
    return Rule(
        id=id_,
        message=message or f"set exactly one of {listed}",
        field="",
        cel="[" + ", ".join(f"has(self.{field})" for field in fields) + "].filter(given, given).size() == 1",
        holds=lambda part: sum(part.given(field) for field in fields) == 1,
    )
