"""Who is never called, as manifests say it: of one campaign, or of a whole tenant."""

from typing import Annotated

from pydantic import Field

from dialplane.resources.base import Part
from dialplane.resources.config_map_ref import ConfigMapKeyRef
from dialplane.resources.fields import DISTINCT, CallerNumber


class DoNotCall(Part):
    """Who is never called, whatever the lists say; a number is the same number in every spelling."""

    numbers: Annotated[tuple[CallerNumber, ...], Field(max_length=256), DISTINCT] = ()
    """Written here."""
    config_map_ref: ConfigMapKeyRef | None = None
    """In a ConfigMap, one number a line."""
