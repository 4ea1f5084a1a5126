"""From a manifest, as either front door read it, to a resource with a checked spec."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason

if TYPE_CHECKING:
    from dialplane.resources.base import Spec
    from dialplane.resources.kind import Kind

GROUP = "dialplane.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

_TOP_LEVEL = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


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
    created: str = field(default="", compare=False)
    """RFC 3339 time of creation; of two resources that collide the younger one is at fault."""
    begun: str = field(default="", compare=False)
    """The `phase` that its status had when it was read, of one that was under way by then: not to be begun again. A
    kind without phases says `Reported` of one whose service has spoken of it."""


def parse(manifest: Mapping[str, Any]) -> Resource:
    """Read one manifest of a known kind; never raises for what a user can write into it.

    Only `dialplane.io/` annotations are kept: others change often and mean nothing here. A front door has made sure of
    the kind, and of a `metadata.name` that is text; without these there is no resource to speak of.
    """
    from dialplane.resources.kinds import KINDS  # noqa: PLC0415 -- kinds import this module's constants

    metadata = manifest["metadata"]
    kind = KINDS[manifest["kind"]]
    spec, problems = kind.parse_spec(manifest.get("spec"))
    problems = (*_around_spec(manifest), *problems)
    return Resource(
        key=Key(kind.name, metadata["name"]),
        spec=None if problems else spec,
        problems=problems,
        annotations={k: v for k, v in _annotations(metadata) if isinstance(v, str)},
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 1),
        created=metadata.get("creationTimestamp") or "",
        begun=_begun(kind, manifest.get("status")),
    )


def _begun(kind: "Kind", status: Any) -> str:
    if not isinstance(status, Mapping) or not kind.begun(status):
        return ""
    phase = status.get("phase") if "phase" in kind.status.model_fields else "Reported"
    return phase if isinstance(phase, str) else ""


def _around_spec(manifest: Mapping[str, Any]) -> Iterator[Problem]:
    """What the API server checks by itself, for a manifest that did not come through it."""
    from dialplane.resources.fields import OBJECT_NAME  # noqa: PLC0415 -- as above

    if manifest.get("apiVersion") != API_VERSION:
        yield Problem(Reason.INVALID, f"must be {API_VERSION}", "apiVersion")
    for name in sorted(str(name) for name in manifest.keys() - _TOP_LEVEL):
        yield Problem(Reason.INVALID, "unknown field; known are apiVersion, kind, metadata and spec", name)
    name = manifest["metadata"]["name"]
    if not re.fullmatch(OBJECT_NAME.pattern, name):
        yield Problem(Reason.INVALID, f"{name!r} is not {OBJECT_NAME.what}", "metadata.name")
    for name, value in _annotations(manifest["metadata"]):
        if not isinstance(value, str):
            message = f"must be text, not {type(value).__name__}: put it in quotes"
            yield Problem(Reason.INVALID, message, f"metadata.annotations[{name}]")


def _annotations(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    annotations = metadata.get("annotations")
    if isinstance(annotations, Mapping):
        yield from ((k, v) for k, v in annotations.items() if isinstance(k, str) and k.startswith(f"{GROUP}/"))
