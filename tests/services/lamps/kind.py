"""Lamp: something that a contributor made up."""

from typing import Annotated, Final

from pydantic import Field

from dialplane.resources.base import Spec
from dialplane.resources.conditions import ConditionType, Truth
from dialplane.resources.event_type import EventType
from dialplane.resources.kind import AGE, READY, WHY, Column, Kind
from dialplane.resources.status import Status


class LampSpec(Spec):
    """A lamp."""

    watts: Annotated[int, Field(ge=1, le=100)]
    """Its power, in watts."""
    lit: bool = True
    """Whether it is to burn."""


class LampStatus(Status):
    """How it is."""

    burns: bool | None = None
    """Whether it burns."""


KIND: Final = Kind(
    name="Lamp",
    plural="lamps",
    singular="lamp",
    short_names=("lamp",),
    spec=LampSpec,
    status=LampStatus,
    columns=(Column("Watts", ".spec.watts", "integer"), READY, AGE, *WHY),
    description="A lamp.",
    service="lamps",
    events=(
        EventType(name="lamp.on", title="Lamp {name} burns", after=Truth.TRUE, condition=ConditionType.ONLINE),
        EventType(name="lamp.off", title="Lamp {name} went out", after=Truth.FALSE, condition=ConditionType.ONLINE),
    ),
)
