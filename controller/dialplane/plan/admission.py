"""One resource against a site: what the plan would find wrong with it, before it is there.

The rules are the plan's own checks, run over the resources that may have a say. An Extension has one by its number
alone, a device of a lift by its telephone's, and on a message or a campaign nothing depends, so that of 10,000
extensions a few are looked at. Guarantees:

- refused is what the resource, and nobody else, would be `Accepted=False` for, and what waiting would not heal;
- what may follow in the same apply (a Secret, a resource that is referred to) is a warning, and the resource counts as
  if its Secrets were there already;
- what the resource had wrong before the change is a warning too: one thing can be mended while another is wrong;
- of two that collide a new one is the younger, even within one second.

What only rendering finds (a line too long for Asterisk's files) is not looked for here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel

from dialplane.plan.advice import advice
from dialplane.plan.checking import Checker, draft_of, note_without_asterisk
from dialplane.plan.checks import PARTIAL
from dialplane.plan.dialplan.privacy import without_codes
from dialplane.plan.roll import Roll, Share, changed_keys, share
from dialplane.resources.elevator_device import ElevatorDeviceSpec
from dialplane.resources.extension import ExtensionSpec
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import MANIFEST_MUST_CHANGE, Problem, Reason
from dialplane.resources.references import config_map_refs, secret_refs
from dialplane.resources.snapshot import Snapshot

NUMBERED: Final = frozenset({"Extension", "ElevatorDevice"})
"""Kinds that others can collide with over one number alone, and depend on by that number."""
INDEPENDENT: Final = frozenset({"SmsMessage", "Campaign"})
"""Kinds that no other resource depends on."""

_YOUNGEST: Final = "~"
"""Sorts after every time of creation."""
_MISSING: Final = frozenset({Reason.SECRET_MISSING, Reason.REFERENCE_MISSING})
_GENERATED: Final = "spec.generateCredentials"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one change: nothing in `refusals` means that it is admitted."""

    refusals: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    """A sentence each; the resource's own first."""
    others: tuple[Key, ...] = ()
    """The other resources that the refusals name."""


class Admission:
    """Judges the changes of one site; what it remembers of a snapshot saves time and nothing else."""

    def __init__(self) -> None:
        self._index = _Index()
        self._checker = Checker()

    def review(
        self, snapshot: Snapshot, new: Resource, old: Resource | None = None, unread: Iterable[str] = ()
    ) -> Verdict:
        """Judge one change.

        Args:
            snapshot: the site, with or without the change.
            new: the resource as it would be.
            old: the resource as it is; None where it is to be created.
            unread: names of the Secrets and ConfigMaps that exist, but whose values are not in the snapshot.
        """
        if old is None:
            new = replace(new, created=_YOUNGEST)
        elif (old.spec, old.problems) == (new.spec, new.problems):
            return Verdict()
        key, beside = new.key, self._index.beside(snapshot, [each for each in (old, new) if each is not None])
        before = self._problems(_with(beside, old, snapshot), key) if old is not None else self._problems(beside, key)
        shares = _with(beside, new, snapshot)
        after = self._problems(shares, key)
        standing = before.get(key, ())
        found = [problem for problem in after.get(key, ()) if not _expected(problem, new, unread)]
        refusals = tuple(problem for problem in found if _stalls(problem) and problem not in standing)
        if refusals:
            text = " ".join(map(str, refusals))
            return Verdict(refusals, others=tuple(who for who in shares if who != key and str(who) in text))
        others = ((who, p) for who, each in after.items() if who != key for p in each if p not in before.get(who, ()))
        site = Snapshot(snapshot.namespace, {who: each.resource for who, each in shares.items()})
        warnings = (
            *map(str, found),
            *(f"{field}: {text}" for who, field, text in advice(site) if who == key),
            *(f"{who}: {problem}" for who, problem in others),
        )
        return Verdict(warnings=warnings)

    def _problems(self, shares: Mapping[Key, Share], subject: Key) -> Mapping[Key, list[Problem]]:
        draft = draft_of(shares, expecting=subject)
        self._checker.exclude(draft, shares)
        if draft.asterisk_key in draft.resources:
            for check in PARTIAL:
                draft.note(check(draft))
        else:
            note_without_asterisk(draft)
        return draft.problems


class _Index:
    """The resources of a snapshot by what others can collide with them over, kept from snapshot to snapshot."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._resources: Mapping[Key, Resource] = {}
        self._numbers: dict[str, tuple[Key, ...]] = {}
        self._few: dict[Key, Resource] = {}
        self._roll = Roll()

    def beside(self, snapshot: Snapshot, subjects: Iterable[Resource]) -> dict[Key, Share]:
        """Return the shares of all others that may have a say about the subjects."""
        if snapshot is not self._snapshot:
            self._take(snapshot)
        shares = dict(self._roll.shares)
        named = {text for subject in subjects for text in _texts(subject)}
        named |= {key.name for key in self._few}
        for number in named & self._numbers.keys():
            for key in self._numbers[number]:
                shares[key] = share(snapshot.resources[key], snapshot.secrets, snapshot.config_maps)
        for subject in subjects:
            shares.pop(subject.key, None)
        return shares

    def _take(self, snapshot: Snapshot) -> None:
        for key in changed_keys(self._resources, snapshot.resources):
            if key.kind in NUMBERED:
                self._move(key, self._resources.get(key), snapshot.resources.get(key))
            elif key.kind not in INDEPENDENT:
                self._few.pop(key, None)
                if key in snapshot.resources:
                    self._few[key] = snapshot.resources[key]
        self._roll.call(Snapshot(snapshot.namespace, self._few, snapshot.secrets, snapshot.config_maps), {})
        self._snapshot, self._resources = snapshot, snapshot.resources

    def _move(self, key: Key, before: Resource | None, now: Resource | None) -> None:
        if (number := _number(before)) is not None:
            others = tuple(other for other in self._numbers.pop(number) if other != key)
            if others:
                self._numbers[number] = others
        if (number := _number(now)) is not None:
            self._numbers[number] = (*self._numbers.get(number, ()), key)


def _number(resource: Resource | None) -> str | None:
    match resource.spec if resource is not None else None:
        case ExtensionSpec(number=number):
            return number
        case ElevatorDeviceSpec(emergency_extension=number):
            return number
    return None


def _texts(resource: Resource) -> Iterator[str]:
    """Whatever in a resource may be an extension's number."""
    yield resource.key.name
    ahead: list[object] = [resource.spec]
    while ahead:
        value = ahead.pop()
        if isinstance(value, str):
            yield without_codes(value)
        elif isinstance(value, BaseModel):
            ahead += (getattr(value, name) for name in type(value).model_fields)
        elif isinstance(value, tuple):
            ahead += value


def _with(beside: Mapping[Key, Share], resource: Resource, snapshot: Snapshot) -> dict[Key, Share]:
    one = share(resource, snapshot.secrets, snapshot.config_maps)
    return {each.resource.key: each for each in sorted((*beside.values(), one), key=lambda each: each.age)}


def _stalls(problem: Problem) -> bool:
    return not problem.partial and problem.reason in MANIFEST_MUST_CHANGE


def _expected(problem: Problem, resource: Resource, unread: Iterable[str]) -> bool:
    """Whether a problem is none: the controller is about to mend it, or it only has not read the values yet."""
    if problem.reason not in _MISSING or resource.spec is None:
        return False
    references = (*secret_refs(resource.spec, resource.key.name), *config_map_refs(resource.spec))
    return problem.field == _GENERATED or any(
        problem.field == field and name in unread for field, name, _ in references
    )
