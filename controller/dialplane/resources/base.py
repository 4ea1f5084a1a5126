"""What every part of a manifest has in common."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

from dialplane.resources.attribute_docstrings import attribute_docstrings
from dialplane.resources.rule import Rule

RULES_BROKEN = "dialplane_rules"
"""The pydantic error type that carries the broken rules of one part in its context, under `rules`."""


class Part(BaseModel):
    """A part of a manifest: immutable, strict (no silent conversion) and closed (an unknown field is an error).

    The regular expressions are Rust's: like those of the Kubernetes API server they run in linear time, and their `$`
    does not match before a trailing newline, as Python's does.
    """

    model_config = ConfigDict(
        defer_build=True,  # a kind that nobody uses costs nothing
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        regex_engine="rust-regex",
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold between the fields of this part."""

    def given(self, alias: str) -> bool:
        """Whether the field that the manifest spells `alias` has a value: what `has()` asks in CEL."""
        return any(
            getattr(self, name) is not None for name, info in type(self).model_fields.items() if info.alias == alias
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The rules go into the schema as CEL, and the docstrings of the fields as their descriptions.

        Not by pydantic's `use_attribute_docstrings`: it reads the source of every class at its import.
        """
        said = handler.resolve_ref_schema(handler(schema))
        for name, text in attribute_docstrings(cls, Part).items():
            if name in cls.model_fields:
                said["properties"][cls.model_fields[name].alias or name].setdefault("description", text)
        if validations := [*(rule.as_validation() for rule in cls.rules), *cls.over_time()]:
            said["x-kubernetes-validations"] = validations
        return said

    @classmethod
    def over_time(cls) -> tuple[dict[str, str], ...]:
        """What must hold between this part and the one before it, in CEL: only the API server knows both."""
        return ()

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [rule for rule in type(self).rules if not rule.holds(self)]
        if broken:
            context: dict[str, Any] = {"rules": broken}
            raise PydanticCustomError(RULES_BROKEN, "{message}", {"message": broken[0].message, **context})
        return self


@dataclass(frozen=True, slots=True)
class GeneratedAccount:
    """A user name and a random password that the controller makes itself, because a manifest asks for it."""

    field: str
    """The field that asks for it, such as `spec.generateCredentials`."""
    secret: str
    """The name of the Secret, with the keys `username` and `password`."""
    username: str


class Spec(Part):
    """The `spec` of a kind."""

    def generated_account(self, name: str) -> GeneratedAccount | None:  # noqa: ARG002 -- most kinds have none
        """Return the account to make for the resource called `name`; None where its manifest asks for none."""
        return None
