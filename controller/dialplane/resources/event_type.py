"""What can happen to a resource of a kind, as people are notified of it."""

from dataclasses import dataclass
from enum import StrEnum

from dialplane.resources.conditions import ConditionType, Truth


class Severity(StrEnum):
    """How bad an event is: the words of Apprise, which colours a notification by them."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type of event. All that the conditions of a kind bring about are of one condition, or of its `state`."""

    name: str
    """What a Notifier lists in `spec.events`, such as `dongle.offline`."""
    title: str
    """The title of its notification, with values of the event in braces, such as `Dongle {name} is offline`."""
    severity: Severity = Severity.INFO
    after: Truth | None = None
    """The resource is well (True) or is not (False) after it; None for an event that a service records itself."""
    condition: ConditionType | None = None
    """The condition that changes to `after`."""
    state: str = ""
    """In place of a condition: the status field `state` changes to this. Other values change nothing."""
    folded: bool = True
    """Several within `spec.foldSeconds` become one notification; False where each has contents of its own."""
