"""From a manifest, as either front door read it, to a resource with a checked spec."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dialplane.resources.key import Key
from dialplane.resources.problem import Problem

if TYPE_CHECKING:
    from dialplane.resources.base import Spec

GROUP = "dialplane.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
RESTARTED_AT = f"{GROUP}/restartedAt"
"""The annotation by which a user asks for a restart of an Asterisk."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the site. `spec` is None where the manifest is invalid; `problems` then say why.

    Equality leaves out what the front doors number differently (uid, generation), so that the same manifest
    read through either door gives equal resources.
    """

    key: Key
    spec: "Spec | None"
    problems: tuple[Problem, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    uid: str = field(default="", compare=False)
    generation: int = field(default=1, compare=False)


def parse(manifest: Mapping[str, Any]) -> Resource:
    """Read one manifest of a known kind; never raises for what a user can write into it.

    Only `dialplane.io/` annotations are kept: others change often and mean nothing here.
    """
    from dialplane.resources.kinds import KINDS  # noqa: PLC0415 -- kinds import this module's constants

    metadata = manifest.get("metadata") or {}
    kind = KINDS[manifest["kind"]]
    spec, problems = kind.parse_spec(manifest.get("spec"))
    return Resource(
        key=Key(kind.name, metadata["name"]),
        spec=spec,
        problems=problems,
        annotations={
            k: v for k, v in (metadata.get("annotations") or {}).items() if k.startswith(f"{GROUP}/")
        },
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 1),
    )
