"""What every status has in common."""

from typing import Annotated, Literal

from pydantic import Field

from dialplane.resources.base import Part
from dialplane.resources.conditions import HEADLINE_LIMIT
from dialplane.resources.distinct import Distinct
from dialplane.resources.fields import Timestamp

_WORD = r"^[A-Z][A-Za-z]*$"


class ConditionStatus(Part):
    """One condition, by the Kubernetes convention."""

    type: Annotated[str, Field(max_length=64, pattern=_WORD)]
    """What is judged, such as `Ready`."""
    status: Literal["True", "False", "Unknown"]
    """`True`, `False` or `Unknown`."""
    reason: Annotated[str, Field(max_length=64, pattern=_WORD)]
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=32_768)] = ""
    """Why, in a sentence for people, with the cure where there is one."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` this condition speaks of."""
    last_transition_time: Timestamp
    """When `status` last changed."""


class Status(Part):
    """The `status` of a kind; the controller alone writes it."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status speaks of; an older one than the resource's: not yet looked at."""
    reason: Annotated[str, Field(max_length=64, pattern=_WORD)] | None = None
    """The reason of the condition that is not True, else of Ready."""
    message: Annotated[str, Field(max_length=HEADLINE_LIMIT)] | None = None
    """The message of that condition, shortened."""
    conditions: Annotated[tuple[ConditionStatus, ...], Field(max_length=16), Distinct(keys=("type",))] = ()
    """What is known about the resource: Accepted, Ready, and those of its kind."""
