"""Lists whose items differ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Hashable

DUPLICATE: Final = "dialplane_duplicate"
"""The error type of an item that is there twice; its context has the `index` of the second."""


@dataclass(frozen=True, slots=True)
class Distinct:
    """Marks a list whose items differ: a Kubernetes `set`, or a `map` by the fields in `keys`.

    Kubernetes refuses duplicates by its list types, at no CEL cost, and merges such lists item by item in server-side
    apply. `keys` are spelled alike in Python and in the manifest.
    """

    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the list once its items are valid."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say the list type."""
        said = dict(handler(schema))
        said["x-kubernetes-list-type"] = "map" if self.keys else "set"
        if self.keys:
            said["x-kubernetes-list-map-keys"] = list(self.keys)
        return said

    def _check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[Hashable] = set()
        for index, item in enumerate(items):
            value = tuple(getattr(item, key) for key in self.keys) if self.keys else item
            if value in seen:
                shown = " ".join(str(part) for part in value) if self.keys else str(value)
                raise PydanticCustomError(DUPLICATE, "{shown} is there twice", {"shown": shown, "index": index})
            seen.add(value)
        return items


DISTINCT: Final = Distinct()
"""A set of scalars."""
