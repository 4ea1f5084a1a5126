"""A site while it is being checked: what is still in, and why the rest is out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from dialplane.plan.plan import ConfigMaps, Secrets
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.base import Spec
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import Problem, Reason

S = TypeVar("S", bound=Spec)

Finding = tuple[Key, Problem]
"""A problem and the resource that has it."""

_FOLLOWING: Final = frozenset({Reason.SECRET_MISSING, Reason.SECRET_INVALID})


@dataclass(slots=True)
class Draft:
    """The resources that may still be rendered, eldest first, and the problems found so far.

    The order decides who is at fault when two collide: the younger one, so that a new manifest never takes a working
    phone out of service.
    """

    resources: dict[Key, Resource]
    secrets: Mapping[Key, Secrets] = field(repr=False)
    """The Secrets as each resource sees them."""
    asterisk_key: Key | None = None
    asterisk: AsteriskSpec | None = None
    config_maps: Mapping[Key, ConfigMaps] = field(default_factory=dict, repr=False)
    """The ConfigMaps as each resource sees them."""
    disabled: Mapping[Key, Resource] = field(default_factory=dict)
    """Those that say `enabled: false`: they are there, and not served."""
    problems: dict[Key, list[Problem]] = field(default_factory=dict)
    out: dict[Key, Resource] = field(default_factory=dict)
    """Those that are not served for a problem of theirs."""
    expecting: Key | None = None
    """One that stays in though its Secrets are missing or do not fit, because they may follow it."""
    _of: dict[type, list[tuple[Key, Any]]] = field(
        default_factory=lambda: defaultdict(list), init=False, repr=False, compare=False
    )

    def of(self, spec_type: type[S]) -> list[tuple[Key, S]]:
        """The resources of one kind that are still in, eldest first."""
        if not self._of:
            for key, resource in self.resources.items():
                self._of[type(resource.spec)].append((key, resource.spec))
        return self._of[spec_type]

    def has(self, key: Key) -> bool:
        """Whether there is such a resource, served or not."""
        return key in self.resources or key in self.problems or key in self.disabled

    def note(self, findings: Iterable[Finding]) -> bool:
        """Take the findings in; whoever has one that is not partial is out from now on. Returns whether anybody went.

        A check that looks at the draft has found all before it is changed. What was noted before is not noted again.
        """
        before = len(self.resources)
        for key, problem in list(findings):
            known = self.problems.setdefault(key, [])
            if problem not in known:
                known.append(problem)
            if not problem.partial and not (key == self.expecting and problem.reason in _FOLLOWING):
                if (gone := self.resources.pop(key, None)) is not None:
                    self.out[key] = gone
                self._of.clear()
        return len(self.resources) < before
