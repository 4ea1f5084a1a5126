"""PURE: the objects of one kind, whatever order the news of them arrives in.

Why this exists: news comes by several ways at once. A watch speaks of each object in order, but the answer to a request
of our own may overtake it; a LIST may be older than the watch, or lack objects whose end the watch never mentioned
(ghosts). Guarantees:

- an object never goes back to an older version, and a uid that ended never returns;
- nothing is removed on the word of a cached LIST: it only names suspects, and a consistent read decides.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P")

REMEMBERED_ENDS = 20_000
"""How many ended uids are remembered: news of an object arrives within seconds of its end, if late at all."""


def is_older(version: str, than: str) -> bool:
    """Whether one resourceVersion precedes another; unknown (not both decimal) counts as no.

    Kubernetes declares them comparable as decimal numbers since 1.35, and every server since etcd 3 behaves so.
    """
    if version.isdecimal() and than.isdecimal():
        return int(version) < int(than)
    return False


@dataclass(frozen=True, slots=True)
class Line:
    """One object in a metadata LIST. `mark` is what its payload depends on (generation and annotations)."""

    name: str
    uid: str
    version: str
    mark: object = None


@dataclass(frozen=True, slots=True)
class Entry(Generic[P]):
    """One object as last heard of."""

    uid: str
    version: str
    mark: object
    payload: P


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A name to read again, and the uid we believe it has (empty: we have none)."""

    name: str
    uid: str


@dataclass(slots=True)
class Shelf(Generic[P]):
    """The objects of one kind."""

    listed: bool = False
    _entries: dict[str, Entry[P]] = field(default_factory=dict)
    _awaited: dict[str, Line] = field(default_factory=dict)
    _ended: dict[str, None] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: str) -> Entry[P] | None:
        """The object of that name, if there is one."""
        return self._entries.get(name)

    @property
    def complete(self) -> bool:
        """Listed at least once, and everything on the list has been seen (or has gone)."""
        return self.listed and not self._awaited

    def admits(self, name: str, uid: str, version: str) -> bool:
        """Whether this version of an object is news, or at least not older than what we hold."""
        if uid in self._ended:
            return False
        held = self._entries.get(name)
        return held is None or not is_older(version, held.version)

    def put(self, name: str, entry: Entry[P]) -> None:
        """Take an admitted version of an object; a namesake with another uid has ended thereby."""
        held = self._entries.get(name)
        if held is not None and held.uid != entry.uid:
            self._end(held.uid)
        self._entries[name] = entry
        awaited = self._awaited.get(name)
        if awaited is not None and not is_older(entry.version, awaited.version):
            del self._awaited[name]

    def remove(self, name: str, uid: str) -> bool:
        """That uid has ended; True if we held it. Its namesake, if there is one by now, stays."""
        self._end(uid)
        awaited = self._awaited.get(name)
        if awaited is not None and awaited.uid == uid:
            del self._awaited[name]
        held = self._entries.get(name)
        if held is None or held.uid != uid:
            return False
        del self._entries[name]
        return True

    def compare(self, lines: Iterable[Line]) -> tuple[Suspicion, ...]:
        """Take a LIST: note what it awaits, and name what to read again.

        To read again: objects we never saw, objects whose mark differs though the LIST is not older, and objects that
        we hold but the LIST lacks (ghosts, or born after it was cached).
        """
        known = {line.name: line for line in lines}
        suspects = []
        for name, line in known.items():
            held = self._entries.get(name)
            if line.uid in self._ended or (held is not None and is_older(line.version, held.version)):
                continue
            if held is None or held.uid != line.uid:
                self._awaited[name] = line
                suspects.append(Suspicion(name, "" if held is None else held.uid))
            elif held.mark != line.mark:
                suspects.append(Suspicion(name, held.uid))
        for name in list(self._awaited):
            if name not in known:
                del self._awaited[name]
        suspects += [Suspicion(name, held.uid) for name, held in self._entries.items() if name not in known]
        self.listed = True
        return tuple(suspects)

    def settle(self, name: str) -> None:
        """A consistent read found no such object: nobody needs to wait for it."""
        self._awaited.pop(name, None)

    def _end(self, uid: str) -> None:
        self._ended[uid] = None
        while len(self._ended) > REMEMBERED_ENDS:
            del self._ended[next(iter(self._ended))]
