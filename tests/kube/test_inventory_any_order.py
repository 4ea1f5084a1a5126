"""For every order of events, cuts, LISTs and late reads, the inventory ends in the truth."""

import copy
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dialplane.kube.inventory import CONFIG_MAP, DELETED, REFERRED, SECRET
from dialplane.resources.key import Key
from tests.kube.world import EXTENSION, KINDS, TRUNK, Server, list_all, new_inventory, read_values

if TYPE_CHECKING:
    from dialplane.kube.shelf import Suspicion

NAMES = st.sampled_from(["a", "b"])
RESOURCES = st.sampled_from([EXTENSION, TRUNK])
ALL = st.sampled_from([EXTENSION, TRUNK, SECRET, CONFIG_MAP])
REFERENCES = st.sampled_from([None, "a", "b"])

Event = tuple[str, str | None, dict[str, Any]]
Read = tuple[str, "tuple[Suspicion, ...]", dict[str, dict[str, Any]], bool]


class Namespace(RuleBasedStateMachine):
    """Events keep their order within one uid (as a watch does) and none between uids; LISTs may be outdated."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.past = [copy.deepcopy(self.server)]
        self.inventory = new_inventory()
        self.pending: dict[str, list[Event]] = {}
        self.reads: list[Read] = []
        self.seen: tuple[int, object] = (-1, None)

    def tell(self, kind: str, type_: str | None, obj: dict[str, Any]) -> None:
        self.pending.setdefault(obj["metadata"]["uid"], []).append((kind, type_, copy.deepcopy(obj)))

    @rule(kind=ALL, name=NAMES, value=st.integers(0, 2), secret=REFERENCES, list_=REFERENCES)
    def put(self, kind: str, name: str, value: int, secret: str | None, list_: str | None) -> None:
        known = (kind, name) in self.server.objects
        self.tell(kind, "MODIFIED" if known else "ADDED", self.server.put(kind, name, value, secret, list_))

    @rule(kind=RESOURCES, name=NAMES, value=st.integers(0, 2))
    def set_status(self, kind: str, name: str, value: int) -> None:
        if (kind, name) in self.server.objects:
            self.tell(kind, "MODIFIED", self.server.set_status(kind, name, {"value": value}))

    @rule(kind=RESOURCES, name=NAMES, value=st.sampled_from(["1", "2"]))
    def annotate(self, kind: str, name: str, value: str) -> None:
        if (kind, name) in self.server.objects:
            self.tell(kind, "MODIFIED", self.server.annotate(kind, name, "dialplane.io/x", value))

    @rule(kind=ALL, name=NAMES)
    def delete(self, kind: str, name: str) -> None:
        if (kind, name) in self.server.objects:
            self.tell(kind, DELETED, self.server.delete(kind, name))

    @rule()
    def remember(self) -> None:
        self.past.append(copy.deepcopy(self.server))

    @rule(kind=ALL, data=st.data())
    def list_from_a_cache(self, kind: str, data: st.DataObject) -> None:
        """The read of the suspects begins now and is applied later."""
        past = data.draw(st.sampled_from([*self.past[-3:], self.server]))
        suspects = self.inventory.listed(kind, past.lines(kind))
        self.reads.append((kind, suspects, copy.deepcopy(self.server.of(kind)), False))

    @rule(kind=st.sampled_from(REFERRED))
    def read_wanted_values(self, kind: str) -> None:
        self.reads.append((kind, self.inventory.unread(kind), copy.deepcopy(self.server.of(kind)), True))

    @precondition(lambda self: self.reads)
    @rule()
    def a_read_arrives(self) -> None:
        self.arrive(self.reads.pop(0))

    def arrive(self, read: Read) -> None:
        kind, suspects, found, whole = read
        self.inventory.reread(kind, suspects, found, whole=whole)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def an_event_arrives(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.pending)))
        self.inventory.event(*self.pending[uid].pop(0))
        if not self.pending[uid]:
            del self.pending[uid]

    @rule(kind=ALL)
    def the_watch_is_cut(self, kind: str) -> None:
        """What was under way is lost, and the relist that follows says nothing of what ended meanwhile."""
        for uid, events in list(self.pending.items()):
            if events[0][0] == kind:
                del self.pending[uid]
        for obj in self.server.of(kind).values():
            self.tell(kind, None, obj)

    @invariant()
    def a_changed_snapshot_has_a_new_revision(self) -> None:
        if self.inventory.passed:
            built = self.inventory._build()
            content = (
                {k: (r.uid, r.generation, r.spec, dict(r.annotations)) for k, r in built.resources.items()},
                {n: dict(s) for n, s in built.secrets.items()},
                {n: dict(s) for n, s in built.config_maps.items()},
            )
            assert self.seen[0] != self.inventory.revision or self.seen[1] == content
            self.seen = (self.inventory.revision, content)

    def teardown(self) -> None:
        while self.pending:
            uid = next(iter(self.pending))
            for event in self.pending.pop(uid):
                self.inventory.event(*event)
        for read in self.reads:
            self.arrive(read)
        for (kind, name), obj in self.server.objects.items():  # ghosts apart, the events alone tell the truth
            entry = self.inventory._shelf(kind).get(name)
            assert entry is not None
            assert (entry.uid, entry.version) == (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"])
        list_all(self.inventory, self.server)
        read_values(self.inventory, self.server)
        assert self.inventory.passed
        snapshot = self.inventory.snapshot()
        truth = {Key(k, n): o for (k, n), o in self.server.objects.items() if k in KINDS}
        assert {k: (r.uid, r.generation) for k, r in snapshot.resources.items()} == {
            k: (o["metadata"]["uid"], o["metadata"]["generation"]) for k, o in truth.items()
        }
        assert {k: r.annotations for k, r in snapshot.resources.items()} == {
            k: o["metadata"]["annotations"] for k, o in truth.items()
        }
        wanted = {o["spec"]["secret"] for o in truth.values()}
        assert {n: s["v"].get_secret_value() for n, s in snapshot.secrets.items()} == {
            n: {"MA==": "0", "MQ==": "1", "Mg==": "2"}[o["data"]["v"]]
            for n, o in self.server.of(SECRET).items()
            if n in wanted
        }
        wanted = {o["spec"]["list"] for o in truth.values()}
        assert {n: dict(s) for n, s in snapshot.config_maps.items()} == {
            n: o["data"] for n, o in self.server.of(CONFIG_MAP).items() if n in wanted
        }
        assert not self.inventory.awaits_values
        for key, obj in truth.items():
            held = self.inventory.held(key)
            assert held is not None
            assert held.version == obj["metadata"]["resourceVersion"]
            assert held.status == obj.get("status", {})


TestNamespace = Namespace.TestCase
TestNamespace.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
