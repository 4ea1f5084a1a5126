"""What every spec has in common."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """A part of a manifest: immutable, strict (no silent conversion) and closed (an unknown field is an error)."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        regex_engine="python-re",
    )


class Spec(Part):
    """The `spec` of a kind."""
