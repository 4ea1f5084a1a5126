"""The result of planning."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialplane.plan.objects import Objects
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem


@dataclass(frozen=True, slots=True)
class Plan:
    """What one snapshot asks of Asterisk.

    `files` maps a path below the config directory to its whole text, secrets included: never log it.
    `revisions` names, for each accepted resource, the exact version that was rendered; it changes with the spec, with
    the Secrets it refers to, and with whatever else went into its lines.
    """

    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    objects: Objects = field(default_factory=Objects, repr=False)
    problems: Mapping[Key, tuple[Problem, ...]] = field(default_factory=dict)
    revisions: Mapping[Key, str] = field(default_factory=dict)
    revision: str = ""
    """Of the dialplan and of the whole: the mark that `[globals]` carries as DIALPLANE_REVISION."""
