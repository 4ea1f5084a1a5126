"""PURE: one namespace as the API server has it, fed with events and LISTs, read as immutable snapshots.

Guarantees:

- there is no snapshot before every kind has been listed once and every listed object has been seen;
- `revision` grows when, and only when, the site may mean something else: an object appeared, went, or changed its uid,
  generation or a `dialplane.io/` annotation, or a Secret that a spec refers to changed a value. The echo of our own
  status patches only refreshes what the status writer compares with;
- Secret values are kept for names that specs refer to, and for no others once the barrier has passed.

No I/O, no clock and no locks: one thread (the root loop's) calls all of it.
"""

import base64
import binascii
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from dialplane.kube.shelf import Entry, Line, Shelf, Suspicion
from dialplane.resources.key import Key
from dialplane.resources.manifest import GROUP, Resource
from dialplane.resources.snapshot import Snapshot

JSON = Any
SECRET = "Secret"  # noqa: S105 -- a kind, not a secret
DELETED = "DELETED"

Values = Mapping[str, SecretStr]


@dataclass(frozen=True, slots=True)
class Held:
    """One resource and what the status writer needs to know of its object."""

    resource: Resource
    version: str
    """metadata.resourceVersion."""
    status: Mapping[str, JSON]
    secrets: frozenset[str]
    """Names of the Secrets that the spec refers to."""

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return self.resource.uid


def mark_of(metadata: Mapping[str, JSON]) -> tuple[int, tuple[tuple[str, str], ...]]:
    """What of an object's metadata changes its meaning: the generation and our annotations."""
    annotations = metadata.get("annotations") or {}
    ours = sorted((name, value) for name, value in annotations.items() if name.startswith(f"{GROUP}/"))
    return metadata.get("generation", 1), tuple(ours)


def line_of(kind: str, metadata: Mapping[str, JSON]) -> Line:
    """One item of a metadata LIST; a Secret has no generation, so that its version has to do."""
    version = metadata.get("resourceVersion", "")
    mark = version if kind == SECRET else mark_of(metadata)
    return Line(metadata["name"], metadata["uid"], version, mark)


@dataclass(slots=True)
class Inventory:
    """All objects of one namespace. `parse` reads a manifest; `secrets_of` names the Secrets a resource refers to."""

    namespace: str
    kinds: Collection[str]
    parse: Callable[[Mapping[str, JSON]], Resource]
    secrets_of: Callable[[Resource], Iterable[str]]
    revision: int = field(default=0, init=False)
    removals: int = field(default=0, init=False)
    """How many times something went that the site was made of."""
    _shelves: dict[str, Shelf[Held]] = field(init=False)
    _secrets: Shelf[Values | None] = field(default_factory=Shelf, init=False)
    _references: dict[str, int] = field(default_factory=dict, init=False)
    _passed: bool = field(default=False, init=False)
    _resources: dict[Key, Resource] = field(default_factory=dict, init=False)
    _values: dict[str, Values] = field(default_factory=dict, init=False)
    """What a snapshot holds, kept up to date: to copy 10,000 takes 0.1 ms, to gather them 20."""
    _unread: set[str] = field(default_factory=set, init=False)
    """Secrets that exist and are referred to, but whose values were not kept when they passed by."""
    _snapshot: tuple[int, Snapshot] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._shelves = {kind: Shelf() for kind in self.kinds}

    # -- what comes in ------------------------------------------------------------------------------------------

    def event(self, kind: str, type_: str | None, obj: Mapping[str, JSON]) -> None:
        """A watch event, or any object just read or written: `type_` matters only where it is DELETED."""
        metadata = obj["metadata"]
        name, uid = metadata["name"], metadata["uid"]
        if type_ == DELETED:
            self._remove(kind, name, uid)
        elif self._shelf(kind).admits(name, uid, metadata.get("resourceVersion", "")):
            if kind == SECRET:
                self._put_secret(name, obj)
            elif not self._knows(kind, name, uid, metadata.get("resourceVersion", "")):
                self._put_resource(kind, name, obj)
        self._check_barrier()

    def listed(self, kind: str, lines: Iterable[Line]) -> tuple[Suspicion, ...]:
        """A metadata LIST of one kind; returns what a consistent read must settle (see `reread`)."""
        suspects = self._shelf(kind).compare(lines)
        self._check_barrier()
        return suspects

    def reread(self, kind: str, suspects: Iterable[Suspicion], found: Mapping[str, Mapping[str, JSON]]) -> None:
        """What a consistent read (no resourceVersion), begun after the suspicion arose, says of the suspects."""
        for suspect in suspects:
            obj = found.get(suspect.name)
            if obj is None or (suspect.uid and obj["metadata"]["uid"] != suspect.uid):
                self._remove(kind, suspect.name, suspect.uid)
            if obj is None:
                self._shelf(kind).settle(suspect.name)
            else:
                self.event(kind, None, obj)
        self._check_barrier()

    # -- what goes out ------------------------------------------------------------------------------------------

    @property
    def passed(self) -> bool:
        """The barrier: the whole namespace has been seen once. Never becomes False again."""
        return self._passed

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The kinds that keep the barrier closed, for the log."""
        return tuple(kind for kind in (*self.kinds, SECRET) if not self._shelf(kind).complete)

    @property
    def unread_secrets(self) -> tuple[Suspicion, ...]:
        """Secrets that exist and are referred to, but whose values were not kept when they passed by."""
        entries = ((name, self._secrets.get(name)) for name in self._unread)
        return tuple(Suspicion(name, entry.uid) for name, entry in entries if entry is not None)

    def held(self, key: Key) -> Held | None:
        """That resource, if it exists."""
        shelf = self._shelves.get(key.kind)
        entry = shelf.get(key.name) if shelf is not None else None
        return entry.payload if entry is not None else None

    def count(self, kind: str) -> int:
        """How many objects of the kind there are."""
        return len(self._shelf(kind))

    def snapshot(self) -> Snapshot:
        """The site at this revision; the same object as long as the revision stays. 10,000 resources take 0.3 ms.

        Raises:
            RuntimeError: before the barrier, where a half-read site would delete what is not read yet.
        """
        if not self._passed:
            raise RuntimeError("no snapshot before every kind has been listed")
        if self._snapshot is None or self._snapshot[0] != self.revision:
            self._snapshot = (self.revision, self._build())
        return self._snapshot[1]

    def _build(self) -> Snapshot:
        return Snapshot(self.namespace, MappingProxyType(self._resources.copy()), MappingProxyType(self._values.copy()))

    # -- within -------------------------------------------------------------------------------------------------

    def _shelf(self, kind: str) -> Shelf[Any]:
        return self._secrets if kind == SECRET else self._shelves[kind]

    def _knows(self, kind: str, name: str, uid: str, version: str) -> bool:
        """The echo of a status patch whose answer we took, or an object that was read twice."""
        held = self._shelves[kind].get(name)
        return held is not None and held.uid == uid and held.version == version != ""

    def _put_resource(self, kind: str, name: str, obj: Mapping[str, JSON]) -> None:
        shelf, metadata = self._shelves[kind], obj["metadata"]
        before = shelf.get(name)
        mark, uid, version = mark_of(metadata), metadata["uid"], metadata.get("resourceVersion", "")
        status = obj.get("status") or {}
        if before is not None and (before.uid, before.mark) == (uid, mark):
            held = Held(before.payload.resource, version, status, before.payload.secrets)
        else:
            resource = self.parse({**obj, "kind": kind})
            names = frozenset(self.secrets_of(resource))
            held = Held(resource, version, status, names)
            self._refer(names, before.payload.secrets if before is not None else ())
            self._resources[resource.key] = resource
            self.revision += 1
        shelf.put(name, Entry(uid, version, mark, held))

    def _put_secret(self, name: str, obj: Mapping[str, JSON]) -> None:
        before, metadata = self._secrets.get(name), obj["metadata"]
        wanted = name in self._references
        values = _decoded(obj.get("data") or {}) if wanted or not self._passed else None
        version = metadata.get("resourceVersion", "")
        self._secrets.put(name, Entry(metadata["uid"], version, version, values))
        self._weigh(name)
        if wanted and (before is None or before.payload != values):
            self.revision += 1

    def _remove(self, kind: str, name: str, uid: str) -> None:
        if kind == SECRET:
            if self._secrets.remove(name, uid) and name in self._references:
                self._weigh(name)
                self.revision += 1
                self.removals += 1
            return
        entry = self._shelves[kind].get(name)
        if self._shelves[kind].remove(name, uid):
            if entry is not None:
                self._refer((), entry.payload.secrets)
                del self._resources[entry.payload.resource.key]
            self.revision += 1
            self.removals += 1

    def _refer(self, names: Iterable[str], no_longer: Iterable[str]) -> None:
        for name in names:
            self._references[name] = self._references.get(name, 0) + 1
            self._weigh(name)
        for name in no_longer:
            self._references[name] -= 1
            if not self._references[name]:
                del self._references[name]
                self._weigh(name)
                if self._passed:
                    self._forget(name)

    def _weigh(self, name: str) -> None:
        """Bring up to date what is kept of one Secret, which changed or is referred to otherwise than before."""
        entry = self._secrets.get(name) if name in self._references else None
        self._values.pop(name, None)
        self._unread.discard(name)
        if entry is not None and entry.payload is not None:
            self._values[name] = entry.payload
        elif entry is not None:
            self._unread.add(name)

    def _forget(self, name: str) -> None:
        entry = self._secrets.get(name)
        if entry is not None and entry.payload is not None:
            self._secrets.put(name, Entry(entry.uid, entry.version, entry.mark, None))

    def _check_barrier(self) -> None:
        if self._passed or not all(self._shelf(kind).complete for kind in (*self.kinds, SECRET)):
            return
        self._passed = True
        self.revision += 1
        for name in list(self._secrets):
            if name not in self._references:
                self._forget(name)


def _decoded(data: Mapping[str, str]) -> Values:
    """A Secret's values as text; bytes that are not UTF-8 survive as surrogates, and rendering refuses them."""
    return MappingProxyType({key: SecretStr(_text(value)) for key, value in data.items()})


def _text(value: str) -> str:
    try:
        return base64.b64decode(value or "").decode("utf-8", "surrogateescape")
    except (binascii.Error, TypeError):  # the server admits only base64; a fake may not
        return ""
