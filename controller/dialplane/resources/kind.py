"""What a kind of resource is: its models, its columns, who looks after it, and what can happen to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from dialplane.resources.base import Spec
from dialplane.resources.clean import cleaned, foreign, has_null
from dialplane.resources.diagnosis import diagnose
from dialplane.resources.event_type import EventType
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.schema import Schema, schema_of
from dialplane.resources.status import Status


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    """JSONPath below the resource."""
    type: str = "string"
    wide: bool = False
    """Only with `-o wide`."""


def _never(_status: Mapping[str, Any]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource."""

    name: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    spec: type[Spec]
    status: type[Status]
    columns: tuple[Column, ...]
    description: str
    """One or two sentences for its users."""
    rendered: bool = False
    """Its resources become objects of Asterisk: reading them back makes a resource Ready. Of every other kind the
    service that looks after it says so, and nobody else can."""
    service: str = ""
    """The service that looks after it, by the name of its package; a site with such a resource runs the services."""
    confirmed: bool = False
    """A resource of this rendered kind is Ready only once its service agrees."""
    kept: tuple[str, ...] = ()
    """Status fields of a rendered kind that its service found out."""
    watched: bool = False
    """A site has few of these, and people watch their numbers: calls that are going on."""
    events: tuple[EventType, ...] = ()
    """What can happen to its resources that a Notifier may be asked to tell."""
    begun: Callable[[Mapping[str, Any]], bool] = _never
    """Whether a resource with this status was under way when it was read: its service must not begin it again."""
    expires: bool = False
    """Its resources have an end, after which the controller deletes them where Kubernetes keeps them."""

    @property
    def kept_fields(self) -> tuple[str, ...]:
        """Status fields, by their names in manifests, that stay true while its service starts or its store is away."""
        if self.rendered:
            return self.kept
        own = self.status.model_fields.keys() - Status.model_fields.keys()
        return tuple(f.alias or name for name, f in self.status.model_fields.items() if name in own)

    @property
    def spec_schema(self) -> Schema:
        """The structural schema of its spec; shared, so copy before changing it."""
        return schema_of(self.spec)

    @property
    def status_schema(self) -> Schema:
        """The structural schema of its status; shared, so copy before changing it."""
        return schema_of(self.status, defaults=False)

    @property
    def needs_spec(self) -> bool:
        """Whether a manifest without `spec` is an error."""
        try:
            self.spec()
        except ValidationError:
            return True
        return False

    def parse_spec(self, raw: Any) -> tuple[Spec | None, tuple[Problem, ...]]:
        """Judge a spec as either front door read it, and fill in the defaults.

        Args:
            raw: the value of `spec`: any JSON value; what only YAML knows (dates, say) becomes a problem.

        Returns:
            The spec and no problems, or None and one problem per error. Never raises.
        """
        if raw is None and self.needs_spec:
            return None, (Problem(Reason.INVALID, "is required", "spec"),)
        raw = {} if raw is None else raw
        if problems := tuple(foreign(raw, "spec")):
            return None, problems
        text = json.dumps(cleaned(raw, self.spec_schema if has_null(raw) else {}))  # it takes a while to make one
        try:
            # JSON mode: strict about types, yet lists fill tuples. By alias alone: display_name is no manifest field.
            return self.spec.model_validate_json(text, by_alias=True, by_name=False), ()
        except ValidationError as error:
            return None, diagnose(error, self.spec_schema, "spec")


def condition_column(name: str, condition: str) -> Column:
    """A column with the status of a condition of that type."""
    return Column(name, f'.status.conditions[?(@.type=="{condition}")].status')


READY: Final = condition_column("Ready", "Ready")
AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
WHY: Final = (
    Column("Reason", ".status.reason", wide=True),
    Column("Message", ".status.message", wide=True),
)
