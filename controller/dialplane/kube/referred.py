"""PURE: the objects of a kind that resources refer to (Secrets, ConfigMaps), with values for those names alone.

Guarantees:

- values are kept for names that are referred to, and for no others once `forget_others` was called;
- where only metadata arrives (a ConfigMap has up to 1 MiB, and most are nobody's business), the values that were read
  last stay in force until the new ones are read;
- each method says whether the site may mean something else now.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dialplane.kube.shelf import Entry, Shelf, Suspicion

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Values(Generic[V]):
    """What an object holds, and the version that it was read of."""

    version: str
    held: V


@dataclass(slots=True)
class Referred(Generic[V]):
    """All objects of one kind in the namespace; `V` is what the values of one are read as."""

    shelf: Shelf[Values[V] | None] = field(default_factory=Shelf)
    values: dict[str, V] = field(default_factory=dict)
    """By name, of those that are referred to: what a snapshot holds."""
    _references: dict[str, int] = field(default_factory=dict)
    _unread: set[str] = field(default_factory=set)
    _keeps_all: bool = True

    def wants(self, name: str) -> bool:
        """Whether the values of that object are worth reading."""
        return self._keeps_all or name in self._references

    @property
    def unread(self) -> tuple[Suspicion, ...]:
        """Objects that exist and are referred to, but whose values of this version were not kept when they passed."""
        entries = ((name, self.shelf.get(name)) for name in self._unread)
        return tuple(Suspicion(name, entry.uid) for name, entry in entries if entry is not None)

    def put(self, name: str, uid: str, version: str, values: V | None) -> bool:
        """Take an admitted version of an object; `values` is None where they were not read."""
        before = self.shelf.get(name)
        kept = before.payload if before is not None else None
        if values is not None:
            kept = Values(version, values)
        self.shelf.put(name, Entry(uid, version, version, kept if self.wants(name) else None))
        return self._weigh(name)

    def remove(self, name: str, uid: str) -> bool:
        """That uid has ended."""
        return self.shelf.remove(name, uid) and self._weigh(name)

    def refer(self, names: Iterable[str], no_longer: Iterable[str]) -> None:
        """A resource refers to `names`, and not to those `no_longer`."""
        for name in names:
            self._references[name] = self._references.get(name, 0) + 1
            self._weigh(name)
        for name in no_longer:
            self._references[name] -= 1
            if not self._references[name]:
                del self._references[name]
                self._weigh(name)
                self._forget(name)

    def forget_others(self) -> None:
        """From now on keep no values but of names that are referred to."""
        self._keeps_all = False
        for name in list(self.shelf):
            self._forget(name)

    def _weigh(self, name: str) -> bool:
        """Bring up to date what is kept of one object that changed, or is referred to otherwise; whether it differs."""
        entry = self.shelf.get(name) if name in self._references else None
        kept = entry.payload if entry is not None else None
        before = self.values.pop(name, None)
        self._unread.discard(name)
        if entry is not None and (kept is None or kept.version != entry.version):
            self._unread.add(name)
        if kept is None:
            return before is not None
        same = before is not None and before == kept.held
        self.values[name] = kept.held if before is None or not same else before
        return not same

    def _forget(self, name: str) -> None:
        entry = self.shelf.get(name)
        if entry is not None and entry.payload is not None and not self.wants(name):
            self.shelf.put(name, Entry(entry.uid, entry.version, entry.mark, None))
