"""A bounded string that says what it is: the building block of `fields`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NOT_THIS: Final = "dialplane_not_this"
"""The error type of a string that is not what its field wants; the message completes the sentence `'x' is not …`."""


class NotThisError(ValueError):
    """Raised by a `Text.check`: its text completes the sentence `'x' is not …`."""


@dataclass(frozen=True, slots=True)
class Text:
    """Marks a string with its bounds, and with the words for a user whose value is outside of them.

    Patterns hold in Python, in the CRD (Go's engine) and in the reference. They use `[0-9]` and never the shorthands
    that differ between engines, no look-around, and they begin with `^` and end with `$`.
    """

    what: str
    """Completes the sentence `'x' is not …`: what is wanted, with an example."""
    pattern: str
    max_length: int
    check: Callable[[str], None] | None = None
    """What the pattern cannot say; raises `NotThisError`. The API server does not know it, the controller does."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """First a string at all, then this one."""
        bounded: CoreSchema = core_schema.custom_error_schema(
            core_schema.str_schema(pattern=self.pattern, max_length=self.max_length),
            custom_error_type=NOT_THIS,
            custom_error_message="{what}",
            custom_error_context={"what": self.what},
        )
        if self.check is not None:
            bounded = core_schema.no_info_after_validator_function(self._checked, bounded)
        return core_schema.chain_schema([handler(source), bounded])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The bounds alone: JSON Schema knows no words for them."""
        return {"type": "string", **self.bounds}

    @property
    def bounds(self) -> dict[str, Any]:
        """The bounds as keywords of JSON Schema."""
        return {"pattern": self.pattern, "maxLength": self.max_length}

    def _checked(self, text: str) -> str:
        if self.check is not None:
            try:
                self.check(text)
            except NotThisError as error:
                raise PydanticCustomError(NOT_THIS, "{what}", {"what": str(error)}) from error
        return text
