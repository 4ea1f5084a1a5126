"""All that a plan is made of: one site at one moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import SecretStr

from dialplane.resources.base import Spec
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every resource of the site, and the Secrets and ConfigMaps that they refer to (name, then key; values are text).

    A Secret value that is not UTF-8 is carried with `surrogateescape`; rendering refuses it with a clear problem. A
    ConfigMap's value may have 1 MiB: one that did not change is the very same object, and nobody copies or hashes it.
    """

    namespace: str
    resources: Mapping[Key, Resource] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, SecretStr]] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def of(self, spec_type: type[S]) -> Iterable[tuple[Resource, S]]:
        """The valid resources of one kind with their specs, sorted by name."""
        for key in sorted(self.resources):
            resource = self.resources[key]
            if isinstance(resource.spec, spec_type):
                yield resource, resource.spec
