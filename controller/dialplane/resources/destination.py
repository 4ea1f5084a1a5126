"""Where a call goes: the `to` of inbound routes, schedules and dongles."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dialplane.resources.base import Part
from dialplane.resources.fields import DISTINCT, DialNumber, ExtensionNumber, ObjectName
from dialplane.resources.rule import Rule, exactly_one


class FinalDestination(Part):
    """Where a call ends up when nobody answered: exactly one of these."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("final-destination-one", "extension", "voicemail", "number", "voiceBot", "hangup"),
    )

    extension: ExtensionNumber | None = None
    """Ring this extension, such as `"101"`."""
    voicemail: ExtensionNumber | None = None
    """Take a message for this extension; its voicemail must be enabled."""
    number: DialNumber | None = None
    """Dial this number through an outbound route, such as `"+49301234567"`."""
    voice_bot: ObjectName | None = None
    """Hand the call to the `VoiceBot` of this name."""
    hangup: Literal[True] | None = None
    """End the call."""


class RingGroup(Part):
    """Several extensions that ring for one call."""

    members: Annotated[tuple[ExtensionNumber, ...], Field(min_length=1, max_length=32), DISTINCT]
    """The extensions' numbers, in the order they ring under the strategy `sequence`."""
    strategy: Literal["all", "sequence"] = "all"
    """`all` rings every member at once; `sequence` one after another."""
    ring_seconds: Annotated[int, Field(ge=5, le=300)] = 30
    """How long the group rings under `all`, and how long each member rings under `sequence`, in seconds."""
    no_answer: FinalDestination | None = None
    """Where the call goes when no member answered. Without it the call ends. Exactly one of these."""


class Destination(Part):
    """Where a call goes: exactly one of these."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "destination-one", "extension", "ringGroup", "voicemail", "number", "schedule", "voiceBot", "hangup"
        ),
    )

    extension: ExtensionNumber | None = None
    """Ring this extension, such as `"101"`; its own forwards and voicemail apply."""
    ring_group: RingGroup | None = None
    """Ring several extensions."""
    voicemail: ExtensionNumber | None = None
    """Take a message for this extension; its voicemail must be enabled."""
    number: DialNumber | None = None
    """Dial this number through an outbound route, such as `"+49301234567"`."""
    schedule: ObjectName | None = None
    """Ask the `Schedule` of this name, which sends the call on by the time of day."""
    voice_bot: ObjectName | None = None
    """Hand the call to the `VoiceBot` of this name."""
    hangup: Literal[True] | None = None
    """End the call."""
