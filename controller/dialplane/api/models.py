"""What every part of the API answers alike."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True, from_attributes=True
    )


class Health(Answer):
    """Whether the API can do its work."""

    status: Literal["ok", "unavailable"]
    """`ok`: the store answers."""


def cursor(seq: int | None) -> str | None:
    """Where the next page begins, as callers carry it."""
    return None if seq is None else str(seq)
