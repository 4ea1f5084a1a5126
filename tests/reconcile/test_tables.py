"""The loop's pure parts, as tables."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from dialplane.asterisk.contacts import Contact
from dialplane.asterisk.live import LiveState
from dialplane.asterisk.moment import Moment
from dialplane.asterisk.status import Start
from dialplane.plan.objects import DialplanContext, PjsipObject, PjsipType
from dialplane.plan.plan import Plan, Version
from dialplane.plan.planner import Planner
from dialplane.reconcile import report
from dialplane.reconcile.config_dir import TEMPORARY, ConfigDirectory, ConfigDirectoryError, NotLeading
from dialplane.reconcile.notes import Notes
from dialplane.reconcile.quiet import Quiet
from dialplane.reconcile.report import Findings, Judged, Reporter, carried
from dialplane.reconcile.revoked import Revoked, mark
from dialplane.reconcile.template_dir import load, shipped
from dialplane.reconcile.verified import Refusal, Verified, VerifiedStore
from dialplane.resources import kinds
from dialplane.resources.base import Spec
from dialplane.resources.conditions import ConditionType
from dialplane.resources.key import Key
from dialplane.resources.kind import Kind
from dialplane.resources.kinds import KINDS
from dialplane.resources.manifest import Resource, parse
from dialplane.resources.problem import Problem, Reason
from dialplane.resources.snapshot import Snapshot
from dialplane.resources.status import Status
from dialplane.services.registry import SERVICES
from testbed.manifests import manifest
from tests.reconcile.site_rig import extension

E101 = Key("Extension", "e101")
FAULT = Problem(Reason.ASTERISK_UNREACHABLE, "away")


def resource(**spec: object) -> Resource:
    return parse(extension("101", **spec))


def judged(plan: Plan, findings: Findings) -> Judged:
    return Judged(Snapshot("test", {E101: resource()}), plan, findings)


SERVED = Plan(versions={E101: Version(resource(), revision="1")})
REFUSED = {E101: Refusal(Version(resource()), "no")}
INVALID = Problem(Reason.INVALID, "bad")
PARTLY = Problem(Reason.REFERENCE_MISSING, "gone", partial=True)


VERDICTS: list[tuple[Plan, Findings, tuple[str, str]]] = [
    (SERVED, Findings(), ("Unknown", "Unknown")),
    (SERVED, Findings(verified=frozenset({E101})), ("True", "Verified")),
    (SERVED, Findings(verified=frozenset({E101}), refused=REFUSED), ("False", "RejectedByAsterisk")),
    (SERVED, Findings(verified=frozenset({E101}), fault=FAULT), ("Unknown", "AsteriskUnreachable")),
    (SERVED, Findings(fault=FAULT, refused=REFUSED), ("False", "RejectedByAsterisk")),
    (
        SERVED,
        Findings(verified=frozenset({E101}), unproven={E101: Problem(Reason.REJECTED_BY_ASTERISK, "no")}),
        ("False", "RejectedByAsterisk"),
    ),
    (
        replace(SERVED, problems={E101: (PARTLY,)}),
        Findings(verified=frozenset({E101})),
        ("False", "ReferenceMissing"),
    ),
    (Plan(problems={E101: (INVALID,)}), Findings(fault=FAULT), ("False", "Invalid")),
    (Plan(disabled=frozenset({E101})), Findings(), ("True", "Disabled")),
    (Plan(disabled=frozenset({E101})), Findings(fault=FAULT), ("Unknown", "AsteriskUnreachable")),
]


@pytest.mark.parametrize(("plan", "findings", "ready"), VERDICTS)
def test_what_is_said_of_ready(plan: Plan, findings: Findings, ready: tuple[str, str]) -> None:
    condition = Reporter().reports(judged(plan, findings))[E101].condition(ConditionType.READY)
    assert condition is not None
    assert (condition.status, condition.reason) == ready


class FridgeSpec(Spec):
    """A kind that only this test knows."""


FRIDGE = Kind("Fridge", "fridges", "fridge", (), FridgeSpec, Status, (), "Keeps things cold.")


@pytest.mark.parametrize(
    ("kind", "ready"),
    [
        (None, ("Unknown", "Unknown")),
        (FRIDGE, ("Unknown", "Unknown")),
        (replace(FRIDGE, rendered=True), ("True", "Verified")),
    ],
    ids=["of no table", "as kinds are", "rendered"],
)
def test_a_kind_is_verified_by_asterisk_only_where_it_says_so(
    kind: Kind | None, ready: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds a kind and forgets who looks after it gets a resource that is never Ready."""
    known = {**KINDS, "Fridge": kind} if kind else KINDS
    for module in (report, kinds):
        monkeypatch.setattr(module, "KINDS", known)
    key = Key("Fridge", "cold")
    cold = Resource(key, FridgeSpec())
    plan = Plan(versions={key: Version(cold, revision="1")})
    site = Judged(Snapshot("test", {key: cold}), plan, Findings(verified=frozenset({key})))
    condition = Reporter().reports(site)[key].condition(ConditionType.READY)
    assert condition is not None
    assert (condition.status, condition.reason) == ready


def test_every_kind_has_somebody_who_says_that_it_is_ready() -> None:
    assert [kind.name for kind in KINDS.values() if not kind.rendered and not kind.service] == []
    assert {kind.service for kind in KINDS.values()} - {""} <= {service.name for service in SERVICES}


LIVE = LiveState(contacts={"101": (Contact("sip:101@192.0.2.9", "Reachable"),)})


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.sampled_from([None, LiveState(), LIVE]), st.integers(1, 2))))
def test_a_report_is_the_same_whatever_was_reported_before(
    history: list[tuple[tuple[Plan, Findings, tuple[str, str]], LiveState | None, int]],
) -> None:
    reporter = Reporter()
    for (plan, findings, _), live, generation in history:
        site = Snapshot("test", {E101: replace(resource(), generation=generation)})
        it = Judged(site, plan, replace(findings, live=live))
        said = reporter.reports(it)
        assert said == Reporter().reports(it)
        assert reporter.reports(it)[E101] is said[E101]


@pytest.mark.parametrize(("revision", "kept"), [("1", True), ("2", False)])
def test_an_old_verdict_is_worth_nothing_for_a_new_version(revision: str, *, kept: bool) -> None:
    before = judged(SERVED, Findings(verified=frozenset({E101})))
    plan = Plan(versions={E101: Version(resource(), revision=revision)})
    assert (E101 in carried(before, before.snapshot, plan, {}).findings.verified) == kept


AUTH = PjsipObject(PjsipType.AUTH, "101", (("password", SecretStr("a")),), E101)
REKEYED = replace(AUTH, options=(("password", SecretStr("b")),))
AOR = PjsipObject(PjsipType.AOR, "101", (), E101)
ENDPOINT = PjsipObject(PjsipType.ENDPOINT, "101", (("permit", "10.0.0.0/8"),), E101)
MOVED = replace(ENDPOINT, options=(("permit", "10.1.0.0/16"),))
WHOLE = {"auth/101": AUTH, "aor/101": AOR, "endpoint/101": ENDPOINT}
EARLIER = {name: mark(item) for name, item in WHOLE.items()}


@pytest.mark.parametrize(
    ("proven", "wanted", "earlier", "rekeyed", "gone"),
    [
        ({}, WHOLE, {}, set(), set()),
        (WHOLE, WHOLE, {}, set(), set()),
        ({}, WHOLE, EARLIER, set(), set()),
        (WHOLE, WHOLE | {"auth/101": REKEYED}, {}, {"101"}, set()),
        ({}, WHOLE | {"auth/101": REKEYED}, EARLIER, {"101"}, set()),
        ({"auth/101": REKEYED}, WHOLE | {"auth/101": REKEYED}, EARLIER, set(), set()),
        (WHOLE, WHOLE | {"endpoint/101": MOVED}, {}, {"101"}, set()),
        (WHOLE, {}, {}, set(), {"101"}),
        ({}, {}, EARLIER, set(), {"101"}),
        (WHOLE, {"aor/101": AOR}, {}, {"101"}, set()),
    ],
)
def test_whose_phones_must_come_back(
    proven: dict[str, PjsipObject],
    wanted: dict[str, PjsipObject],
    earlier: dict[str, str],
    rekeyed: set[str],
    gone: set[str],
) -> None:
    found = Revoked.of(proven, wanted, earlier)
    assert (found.rekeyed, found.gone) == (rekeyed, gone)


def test_marks_name_content_alone() -> None:
    assert mark(AUTH) != mark(REKEYED)
    assert mark(AUTH) == mark(replace(AUTH, owner=Key("Extension", "other")))
    assert mark(DialplanContext("a", (), (), E101)) == mark(DialplanContext("b", (), (), E101))


def test_a_store_gives_back_what_it_got_after_a_restart(tmp_path: Path) -> None:
    key = Key("Asterisk", "pbx")
    transport = {"name": "udp", "protocol": "udp", "bind": "127.0.0.1:5060"}
    pbx = parse(manifest("Asterisk", "pbx", transports=[transport]))
    secrets = {"ami": {"password": SecretStr("p")}}
    store = VerifiedStore.open(tmp_path / "db", "f")
    proof, refusal = Verified(Version(pbx, secrets, "r"), {"auth/1": "d"}), Refusal(Version(pbx, secrets, "r2"), "no")
    store.save(verified={key: proof}, refused={key: refusal})
    store.close()
    again = VerifiedStore.open(tmp_path / "db", "f")
    assert (again.verified(), again.refused()) == ({key: proof}, {key: refusal})
    kept, given = again.verified()[key].version.resource.spec, pbx.spec
    assert kept is not None
    assert given is not None
    assert kept.model_fields_set == given.model_fields_set
    again.close()
    other = VerifiedStore.open(tmp_path / "db", "other templates")
    assert (other.verified(), other.refused()) == ({key: proof}, {})
    assert (tmp_path / "db").stat().st_mode & 0o077 == 0
    other.close()


def test_a_locked_store_is_not_taken_for_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    store = VerifiedStore.open(path, "f")
    store.note({"a": "b"})

    def locked(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", locked)
        with pytest.raises(ConfigDirectoryError, match="locked"):
            VerifiedStore.open(path, "f")
    assert VerifiedStore.open(path, "f").notes() == {"a": "b"}
    for rest in tmp_path.iterdir():
        rest.unlink()
    path.write_text("this is no database, and never was one" * 100)
    assert VerifiedStore.open(path, "f").notes() == {}
    assert path.with_suffix(".damaged").exists()


START = Moment("boot", 1000.0, 1_700_000_000.0)
HOUR = 3600.0
LISTENING = "[general]\ntlsenable = yes\n"
"""A web server whose TLS port is open already; where none was, a reload opens it."""


def later(seconds: float, jump: float = 0.0, boot: str = "boot") -> Moment:
    """So long after START, the clock having been set meanwhile by `jump`."""
    return Moment(boot, START.elapsed + seconds, START.wall + seconds + jump)


def test_notes_know_what_asterisk_read_when_it_started(tmp_path: Path) -> None:
    store = VerifiedStore.open(tmp_path / "db", "f")
    notes = Notes(store, lambda: START)
    (tmp_path / "http.conf").write_text(LISTENING)
    directory = ConfigDirectory(tmp_path)
    notes.writing(directory.differing({"http.conf": "[general]\n", "rtp.conf": "; nothing\n"}))
    before, after = Start("one", later(-60)), Start("two", later(60))
    for each in (notes, Notes(store, lambda: START)):
        assert each.unread(before) == {"http.conf", "rtp.conf"}
        assert each.restart_for(before) == ("http.conf",)
    assert notes.unread(after) == set()
    assert notes.restart_for(after) == ()
    notes.writing(directory.differing({"http.conf": f"; a comment\n{LISTENING}", "rtp.conf": "[general]\n"}))
    assert notes.restart_for(before) == ()
    notes.all_read(but={"rtp.conf"})
    for each in (notes, Notes(store, lambda: START)):
        assert each.unread(before) == {"rtp.conf"}
    met = notes.meet(before)
    assert notes.meet(Start("one", later(-58.5))) == met, "it tells its age to a second only"
    assert notes.meet(after) != met
    unnamed = notes.meet(Start("", later(-60)))
    assert notes.meet(Start("", later(-59))) == unnamed
    assert notes.meet(Start("", later(-51))) != unnamed


@pytest.mark.parametrize(
    ("before", "had", "restart"),
    [
        ({}, (), set()),
        ({}, ("transport/tls",), {"keys/tls.crt"}),
        ({"keys/tls.crt": "old\n", "http.conf": LISTENING}, (), {"keys/tls.crt", "http.conf"}),
        ({"http.conf": "; nothing\n"}, (), set()),
    ],
    ids=["a first start", "files were lost", "both change", "the first wss"],
)
def test_what_is_read_when_something_begins_to_listen_needs_a_restart_only_if_it_listens(
    tmp_path: Path, before: dict[str, str], had: tuple[str, ...], restart: set[str]
) -> None:
    directory = ConfigDirectory(tmp_path)
    directory.write(before)
    notes = Notes(VerifiedStore.open(tmp_path / "db", "f"), lambda: START)
    notes.writing(directory.differing({"keys/tls.crt": "new\n", "http.conf": "[general]\n"}), had)
    assert set(notes.restart_for(Start("one", later(-60)))) == restart


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
@pytest.mark.parametrize("met", ["one", ""])
@pytest.mark.parametrize("again", [False, True], ids=["the same process", "the next one"])
def test_setting_a_clock_neither_loses_nor_invents_what_asterisk_has_to_read(
    tmp_path: Path, jump: float, met: str, *, again: bool
) -> None:
    """Asterisk started; the clock was set; a file changed; Asterisk was asked again; then it started anew."""
    store = VerifiedStore.open(tmp_path / "db", "f")
    now = START
    notes = Notes(store, lambda: now)
    first = Start("one", START)
    if met:
        notes.meet(first)
    now = later(60, jump)
    (tmp_path / "http.conf").write_text(LISTENING)
    notes.writing(ConfigDirectory(tmp_path).differing({"http.conf": "[general]\n"}))
    if again:
        notes = Notes(store, lambda: now)
    # Its own clock was set, too: the age that it tells is wrong by as much, or makes no sense.
    for start in (first, Start("one", START.before(HOUR) if jump > 0 else None)):
        assert notes.unread(start) == {"http.conf"}
        assert notes.restart_for(start) == ("http.conf",)
    anew = Start("two", later(120, jump))
    assert notes.unread(anew) == set()
    assert notes.restart_for(anew) == ()


def test_after_a_reboot_of_the_machine_the_wall_clock_decides(tmp_path: Path) -> None:
    notes = Notes(VerifiedStore.open(tmp_path / "db", "f"), lambda: START)
    (tmp_path / "http.conf").write_text(LISTENING)
    notes.writing(ConfigDirectory(tmp_path).differing({"http.conf": "[general]\n"}))
    rebooted = Moment("another boot", 5.0, START.wall + 60)
    assert notes.restart_for(Start("two", rebooted)) == ()
    assert Moment.now().since(Moment.now().before(5)) == pytest.approx(5, abs=0.5)


def test_files_are_written_only_where_they_differ_and_only_by_a_leader(tmp_path: Path) -> None:
    directory = ConfigDirectory(tmp_path / "new" / "folder")
    files = {"a.conf": "a\n", "keys/x.crt": "crt\r\n", "b.conf": "\udcff"}
    assert directory.write(files).changed == tuple(sorted(files))
    assert directory.write(files).paths == ()
    assert directory.read(files) == files
    assert {oct(os.stat(directory.path / name).st_mode & 0o777) for name in files} == {"0o640"}  # noqa: PTH116
    assert directory.write({"a.conf": "a\n"}, prune=False).paths == ()
    assert directory.write({"a.conf": "a\n"}).removed == ("keys/x.crt",)
    assert directory.write({"a.conf": "a\n", "dongle.conf": "[x]\n"}).changed == ("dongle.conf",)
    assert directory.write({"a.conf": "a\n"}).effective == ("dongle.conf",), "its driver must read that it is gone"
    (directory.path / f".a.conf.x{TEMPORARY}").write_text("half")
    directory.sweep()
    assert not list(directory.path.glob(".a*"))
    directory.close()
    with pytest.raises(NotLeading):
        directory.write({"a.conf": "other\n"})
    left = iter((True, True, False))  # before the file is begun, and before it takes the old one's place

    def permit() -> None:
        if not next(left, False):
            raise NotLeading("no more")

    with pytest.raises(NotLeading):
        ConfigDirectory(directory.path, permit).write({"a.conf": "1\n", "b.conf": "2\n"})
    assert directory.read(("a.conf", "b.conf")) == {"a.conf": "1\n", "b.conf": "\udcff"}


class Passing:
    """Time that passes only while `Quiet` sleeps; `noise` is made every 20 ms of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.noise: Callable[[], None] = lambda: None
        monkeypatch.setattr("dialplane.reconcile.quiet.time.monotonic", lambda: self.now)
        monkeypatch.setattr("dialplane.reconcile.quiet.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.02)
            self.noise()


async def test_quiet_waits_for_the_last_change_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        passing, quiet = Passing(patch), Quiet(0.1, 0.4)
        quiet.disturb()
        await quiet.wait()
        assert passing.now == pytest.approx(0.1)
        passing.noise = quiet.disturb
        quiet.disturb()
        await quiet.wait()
        assert passing.now == pytest.approx(0.1 + 0.4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await Quiet().wait()


async def test_a_storm_is_given_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        passing, quiet = Passing(patch), Quiet(0.1, 0.2, storm=0.6)
        passing.noise = lambda: [quiet.disturb() for _ in range(10)]
        quiet.disturb()
        await quiet.wait()
        assert passing.now == pytest.approx(0.6)


def test_what_a_template_cannot_lay_out_is_its_owners_problem(tmp_path: Path) -> None:
    transport = {"name": "udp", "protocol": "udp", "bind": "127.0.0.1:5060"}
    given = [
        manifest("Asterisk", "pbx", transports=[transport]),
        extension("101", displayName="LONG"),
        extension("102"),
    ]
    resources = [parse(one) for one in given]
    secrets = {f"phone-{n}": {"username": SecretStr(n), "password": SecretStr("p")} for n in ("101", "102")}
    snapshot = Snapshot("test", {one.key: one for one in resources}, secrets)
    plan = Planner(load()).plan(snapshot)
    assert plan.problems == {}
    laid_out = (shipped() / "pjsip.conf.j2").read_text()
    long = "{% if 'LONG' in (object.options | string) %}; " + "x" * 9000 + "\n{% endif %}"
    (tmp_path / "pjsip_endpoint.conf.j2").write_text(laid_out + long)
    plan = Planner(load(tmp_path)).plan(snapshot)
    assert [p.reason for p in plan.problems[E101]] == [Reason.INVALID]
    assert Key("Extension", "e102") in plan.versions


@settings(deadline=None)  # it waits for the disk
@given(*[st.lists(st.sampled_from(["; note", "", "a = 1", "a = 2", "[b]", " "])).map("\n".join)] * 3, st.integers(1, 9))
def test_a_file_takes_effect_where_it_says_something_else(begin: str, one: str, other: str, stride: int) -> None:
    def substance(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.strip() and not line.startswith(";")]

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("dialplane.reconcile.config_dir.STRIDE", stride)
        directory = ConfigDirectory(Path(folder))
        directory.write({"a.conf": begin + one})
        todo = directory.differing({"a.conf": begin + other})
    assert bool(todo.changed) == (one != other)
    assert bool(todo.effective) == (substance(begin + one) != substance(begin + other))
