"""What every part of a manifest has in common, and what every status has in common."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dialplane.resources.rule import Rule

RULES_BROKEN = "dialplane_rules"
"""The pydantic error type that carries the broken rules of one part in its context, under `rules`."""


class Part(BaseModel):
    """A part of a manifest: immutable, strict (no silent conversion) and closed (an unknown field is an error).

    The regular expressions are Rust's: like those of the Kubernetes API server they run in linear time, and their `$`
    does not match before a trailing newline, as Python's does.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        regex_engine="rust-regex",
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold between the fields of this part."""

    def given(self, alias: str) -> bool:
        """Whether the field that the manifest spells `alias` has a value: what `has()` asks in CEL."""
        return any(
            getattr(self, name) is not None for name, info in type(self).model_fields.items() if info.alias == alias
        )

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [rule for rule in type(self).rules if not rule.holds(self)]
        if broken:
            context: dict[str, Any] = {"rules": broken}
            raise PydanticCustomError(RULES_BROKEN, "{message}", {"message": broken[0].message, **context})
        return self


class Spec(Part):
    """The `spec` of a kind."""


class ConditionStatus(Part):
    """One condition, by the Kubernetes convention."""

    type: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """What is judged, such as `Ready`."""
    status: Annotated[str, Field(max_length=7, pattern=r"^(True|False|Unknown)$")]
    """`True`, `False` or `Unknown`."""
    reason: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """Why, in a sentence for people, with the cure where there is one."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` this condition speaks of."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=40)]
    """When `status` last changed."""


class Status(Part):
    """The `status` of a kind; the controller alone writes it."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status speaks of; older than the resource's own: not yet looked at."""
    conditions: Annotated[
        tuple[ConditionStatus, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """What is known about the resource: Accepted, Ready and those of its kind."""
