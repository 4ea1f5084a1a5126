"""PURE: one namespace as the API server has it, fed with events and LISTs, read as immutable snapshots.

Guarantees:

- there is no snapshot before every kind has been listed once and every listed object has been seen;
- `revision` grows when, and only when, the site may mean something else: an object appeared, went, or changed its uid,
  generation or a `dialplane.io/` annotation, or a Secret or ConfigMap that a spec refers to changed a value. The echo
  of our own status patches only refreshes what the status writer compares with;
- values of Secrets are kept for names that specs refer to, and for no others once the barrier has passed; of ConfigMaps
  the events bring only metadata, and `unread` says whose values are to be read.

No I/O, no clock and no locks: one thread (the root loop's) calls all of it.
"""

import base64
import binascii
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from dialplane.kube.referred import Referred
from dialplane.kube.shelf import Entry, Line, Shelf, Suspicion
from dialplane.resources.key import Key
from dialplane.resources.manifest import GROUP, Resource
from dialplane.resources.snapshot import Snapshot

JSON = Any
SECRET = "Secret"  # noqa: S105 -- a kind, not a secret
CONFIG_MAP = "ConfigMap"
REFERRED = (SECRET, CONFIG_MAP)
"""The kinds that resources refer to for their values."""
DELETED = "DELETED"

Reference = tuple[str, str]
"""Kind and name of something that a spec refers to for its values."""


@dataclass(frozen=True, slots=True)
class Held:
    """One resource and what the status writer needs to know of its object."""

    resource: Resource
    version: str
    """metadata.resourceVersion."""
    status: Mapping[str, JSON]
    references: frozenset[Reference]
    """The Secrets and ConfigMaps that the spec refers to."""

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
    """One item of a metadata LIST; Secrets and ConfigMaps have no generation, so that the version has to do."""
    version = metadata.get("resourceVersion", "")
    mark = version if kind in REFERRED else mark_of(metadata)
    return Line(metadata["name"], metadata["uid"], version, mark)


@dataclass(slots=True)
class Inventory:
    """All objects of one namespace. `parse` reads a manifest; `references` says what a resource refers to."""

    namespace: str
    kinds: Collection[str]
    parse: Callable[[Mapping[str, JSON]], Resource]
    references: Callable[[Resource], Iterable[Reference]]
    revision: int = field(default=0, init=False)
    removals: int = field(default=0, init=False)
    """How many times something went that the site was made of."""
    _shelves: dict[str, Shelf[Held]] = field(init=False)
    _secrets: Referred[Mapping[str, SecretStr]] = field(default_factory=Referred, init=False)
    _config_maps: Referred[Mapping[str, str]] = field(default_factory=Referred, init=False)
    _passed: bool = field(default=False, init=False)
    _resources: dict[Key, Resource] = field(default_factory=dict, init=False)
    """What a snapshot holds, kept up to date: to copy 10,000 takes 0.1 ms, to gather them 20."""
    _snapshot: tuple[int, Snapshot] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._shelves = {kind: Shelf() for kind in self.kinds}

    # -- what comes in ------------------------------------------------------------------------------------------

    def event(self, kind: str, type_: str | None, obj: Mapping[str, JSON]) -> None:
        """A watch event, or any object just read or written: `type_` matters only where it is DELETED.

        Of a ConfigMap only the metadata is looked at; its values come by `reread`.
        """
        if type_ == DELETED:
            self._remove(kind, obj["metadata"]["name"], obj["metadata"]["uid"])
        else:
            self._put(kind, obj, whole=kind != CONFIG_MAP)
        self._check_barrier()

    def listed(self, kind: str, lines: Iterable[Line]) -> tuple[Suspicion, ...]:
        """A metadata LIST of one kind; returns what a consistent read must settle (see `reread`)."""
        suspects = self._shelf(kind).compare(lines)
        self._check_barrier()
        return suspects

    def reread(
        self,
        kind: str,
        suspects: Iterable[Suspicion],
        found: Mapping[str, Mapping[str, JSON]],
        *,
        whole: bool = False,
    ) -> None:
        """What a consistent read (no resourceVersion), begun after the suspicion arose, says of the suspects.

        `whole`: the ConfigMaps that were found have their values; all other kinds always do.
        """
        for suspect in suspects:
            obj = found.get(suspect.name)
            if obj is None or (suspect.uid and obj["metadata"]["uid"] != suspect.uid):
                self._remove(kind, suspect.name, suspect.uid)
            if obj is None:
                self._shelf(kind).settle(suspect.name)
            else:
                self._put(kind, obj, whole=whole or kind != CONFIG_MAP)
        self._check_barrier()

    # -- what goes out ------------------------------------------------------------------------------------------

    @property
    def passed(self) -> bool:
        """The barrier: the whole namespace has been seen once. Never becomes False again."""
        return self._passed

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The kinds that keep the barrier closed, for the log."""
        return tuple(kind for kind in (*self.kinds, *REFERRED) if not self._shelf(kind).complete)

    def unread(self, kind: str) -> tuple[Suspicion, ...]:
        """Secrets or ConfigMaps that exist and are referred to, but whose values are yet to be read (see `reread`)."""
        return self._referred(kind).unread

    @property
    def awaits_values(self) -> bool:
        """Whether there are any such."""
        return any(self.unread(kind) for kind in REFERRED)

    def held(self, key: Key) -> Held | None:
        """That resource, if it exists."""
        shelf = self._shelves.get(key.kind)
        entry = shelf.get(key.name) if shelf is not None else None
        return entry.payload if entry is not None else None

    def knows(self, kind: str, metadata: Mapping[str, JSON]) -> bool:
        """Whether it has that very version of that very object: a patch's answer was taken, or it was read twice."""
        held, version = self._shelves[kind].get(metadata["name"]), metadata.get("resourceVersion", "")
        return held is not None and held.uid == metadata["uid"] and held.version == version != ""

    def exists(self, kind: str, name: str) -> bool:
        """Whether there is such an object, of any kind, whatever is kept of it."""
        return self._shelf(kind).get(name) is not None

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
        return Snapshot(
            self.namespace,
            MappingProxyType(self._resources.copy()),
            MappingProxyType(self._secrets.values.copy()),
            MappingProxyType(self._config_maps.values.copy()),
        )

    # -- within -------------------------------------------------------------------------------------------------

    def _shelf(self, kind: str) -> Shelf[Any]:
        return self._referred(kind).shelf if kind in REFERRED else self._shelves[kind]

    def _referred(self, kind: str) -> Referred[Any]:
        return self._secrets if kind == SECRET else self._config_maps

    def _put(self, kind: str, obj: Mapping[str, JSON], *, whole: bool) -> None:
        metadata = obj["metadata"]
        name, uid, version = metadata["name"], metadata["uid"], metadata.get("resourceVersion", "")
        if not self._shelf(kind).admits(name, uid, version):
            return
        if kind in REFERRED:
            self._put_values(kind, obj, whole=whole)
        elif not self.knows(kind, metadata):
            self._put_resource(kind, name, obj)

    def _put_resource(self, kind: str, name: str, obj: Mapping[str, JSON]) -> None:
        shelf, metadata = self._shelves[kind], obj["metadata"]
        before = shelf.get(name)
        mark, uid, version = mark_of(metadata), metadata["uid"], metadata.get("resourceVersion", "")
        status = obj.get("status") or {}
        if before is not None and (before.uid, before.mark) == (uid, mark):
            held = Held(before.payload.resource, version, status, before.payload.references)
        else:
            resource = self.parse({**obj, "kind": kind})
            references = frozenset(self.references(resource))
            held = Held(resource, version, status, references)
            self._refer(references, before.payload.references if before is not None else ())
            self._resources[resource.key] = resource
            self.revision += 1
        shelf.put(name, Entry(uid, version, mark, held))

    def _put_values(self, kind: str, obj: Mapping[str, JSON], *, whole: bool) -> None:
        metadata = obj["metadata"]
        name, referred, values = metadata["name"], self._referred(kind), None
        if whole and referred.wants(name):
            values = (_decoded if kind == SECRET else _plain)(obj.get("data") or {})
        if referred.put(name, metadata["uid"], metadata.get("resourceVersion", ""), values):
            self.revision += 1

    def _remove(self, kind: str, name: str, uid: str) -> None:
        if kind in REFERRED:
            if self._referred(kind).remove(name, uid):
                self.revision += 1
                self.removals += 1
            return
        entry = self._shelves[kind].get(name)
        if self._shelves[kind].remove(name, uid):
            if entry is not None:
                self._refer((), entry.payload.references)
                del self._resources[entry.payload.resource.key]
            self.revision += 1
            self.removals += 1

    def _refer(self, now: Collection[Reference], no_longer: Collection[Reference]) -> None:
        for kind in REFERRED:
            names = [[name for of, name in references if of == kind] for references in (now, no_longer)]
            self._referred(kind).refer(*names)

    def _check_barrier(self) -> None:
        if self._passed or not all(self._shelf(kind).complete for kind in (*self.kinds, *REFERRED)):
            return
        self._passed = True
        self.revision += 1
        for kind in REFERRED:
            self._referred(kind).forget_others()


def _plain(data: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(data))


def _decoded(data: Mapping[str, str]) -> Mapping[str, SecretStr]:
    """A Secret's values as text; bytes that are not UTF-8 survive as surrogates, and rendering refuses them."""
    return MappingProxyType({key: SecretStr(_text(value)) for key, value in data.items()})


def _text(value: str) -> str:
    try:
        return base64.b64decode(value or "").decode("utf-8", "surrogateescape")
    except (binascii.Error, TypeError):  # the server admits only base64; a fake may not
        return ""
