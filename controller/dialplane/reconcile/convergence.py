"""One attempt to make Asterisk run a plan: write, reload, read back.

Asterisk's own "reloaded" counts for nothing (facts): only what it answers when asked for each object does.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.contacts import drop_contacts, registered_keys
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.readback import gone, read_back
from dialplane.asterisk.reload import ReloadResult, reload, reloads_for
from dialplane.plan.objects import (
    DialplanContext,
    Mailbox,
    PjsipObject,
    PjsipType,
    gathered,
    owners,
)
from dialplane.plan.pjsip.asterisk import WITNESS
from dialplane.plan.plan import Plan
from dialplane.plan.render import EXTENSIONS, VOICEMAIL
from dialplane.reconcile.config_dir import ConfigDirectory
from dialplane.reconcile.revoked import Readable, Revoked
from dialplane.resources.key import Key

DIALPLAN = "pbx_config.so"

SETTLE_SECONDS = (0.1, 0.4)
"""Waits before an object that differs is asked for again: Asterisk starts registrations a moment after the reload."""


@dataclass(slots=True)
class Session:
    """What is known about the Asterisk behind one connection; a new connection knows nothing."""

    ami: Ami
    proven: dict[str, Readable] = field(default_factory=dict)
    """Every object that this Asterisk was asked for and has, by name."""
    read: set[str] = field(default_factory=set)
    """Files that it has been told to read in this pass: once is enough."""
    complete: bool = False
    """Whether strays (contacts that nobody asked for) have been looked for."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to make one Asterisk run."""

    plan: Plan
    unread: frozenset[str]
    """Files that changed and that this Asterisk may not have read yet."""
    earlier: Mapping[str, str]
    """Names and digests of the objects this Asterisk had before, from earlier sessions."""
    reload_seconds: float
    """The hard limit of each reload."""
    permit: Callable[[], None]
    """Asked right before every action with an effect; raises `NotLeading`."""
    stand_in: bool = False
    """The plan's dialplan is refused as a whole and an older one serves in its place."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt showed."""

    mismatches: Mapping[Key | None, tuple[Mismatch, ...]] = field(default_factory=dict)
    """By the resource to blame; None: nobody in particular."""
    waiting: Mapping[Key, tuple[Mismatch, ...]] = field(default_factory=dict)
    """By resource: lines that Asterisk lacks because it refuses the whole dialplan; whose fault that is is unknown."""
    dialplan_refused: bool = False
    """Asterisk cannot read extensions.conf to its end: it says so, or whole contexts are missing."""
    reloads: tuple[ReloadResult, ...] = ()
    undeleted: tuple[Mismatch, ...] = ()
    """Objects that should be gone and are not."""
    sockets: tuple[str, ...] = ()
    """Transports that only a restart of Asterisk brings into effect."""
    seconds: float = 0.0

    @property
    def lacking(self) -> frozenset[Key | None]:
        """Whoever has something in the plan that Asterisk does not run."""
        return frozenset((*self.mismatches, *self.waiting))


async def converge(session: Session, directory: ConfigDirectory, task: Task) -> Outcome:
    """Make the Asterisk of `session` run the plan, and say what it does not.

    Raises:
        ConfigDirectoryError: a file cannot be written.
        NotLeading: the right to write was lost.
        AsteriskError: the connection was lost, or an answer did not come in time: nothing is known then.
    """
    started = time.monotonic()
    plan = task.plan
    written = await asyncio.to_thread(directory.write, plan.files)
    wanted = plan.objects.readable()
    reloads = await _reload(session, task.unread | {*written.paths}, task)

    changed = {name: item for name, item in wanted.items() if session.proven.get(name) != item}
    obsolete = _obsolete(session, wanted, task.earlier)
    revoked = Revoked.of(session.proven, wanted, task.earlier)
    await _drop_strays(session, wanted, revoked, task)
    answer = await _ask(session.ami, changed, obsolete, plan)
    if answer.found:
        # Asterisk may never have read files that were right on disk already: tell it once, then ask again.
        files = _files_of(answer, changed, obsolete, stand_in=task.stand_in)
        if set(reloads_for(files).modules) - {result.module for result in reloads}:
            reloads += await _reload(session, files, task)
            answer = await _ask(session.ami, changed, obsolete, plan)
    broken = any(result.module == DIALPLAN and not result.succeeded for result in reloads)
    broken |= not task.stand_in and any(m.missing and not m.field and _of_dialplan(m) for m in answer.differing)
    for wait in () if broken else SETTLE_SECONDS:
        if not answer.found:
            break
        await asyncio.sleep(wait)
        answer = await _ask(session.ami, changed, obsolete, plan)

    blamed, waiting = _blamed(answer.differing, whole=broken or task.stand_in)
    kept = {id_ for id_ in revoked.rekeyed if (aor := wanted.get(f"aor/{id_}")) and not owners(aor) & blamed.keys()}
    if kept:
        task.permit()
        await drop_contacts(session.ami, sorted(kept))
    doubtful = {m.object for m in answer.shown}
    session.proven = {
        name: item
        for name, item in wanted.items()
        if name not in changed or not (owners(item) & blamed.keys() or name.replace("/", " ", 1) in doubtful)
    }
    if broken or None in blamed:
        session.proven = {n: item for n, item in session.proven.items() if not isinstance(item, DialplanContext)}
    return Outcome(
        mismatches=blamed,
        waiting=waiting,
        dialplan_refused=broken,
        undeleted=answer.undeleted,
        reloads=reloads,
        sockets=answer.sockets,
        seconds=time.monotonic() - started,
    )


async def _reload(session: Session, files: Collection[str], task: Task) -> tuple[ReloadResult, ...]:
    results = []
    for module in reloads_for(files).modules:
        task.permit()
        results.append(await reload(session.ami, module, timeout=task.reload_seconds))
    return tuple(results)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Asterisk has otherwise, and what it should not have any more."""

    shown: tuple[Mismatch, ...]
    undeleted: tuple[Mismatch, ...]

    @property
    def differing(self) -> tuple[Mismatch, ...]:
        """What a reload should have cured. A changed transport is not refused: its socket stays until a restart."""
        return tuple(m for m in self.shown if not m.needs_restart)

    @property
    def sockets(self) -> tuple[str, ...]:
        return tuple(sorted({m.object for m in self.shown if m.needs_restart}))

    @property
    def found(self) -> bool:
        return bool(self.differing or self.undeleted)


async def _ask(ami: Ami, changed: Mapping[str, Readable], obsolete: Mapping[str, Readable], plan: Plan) -> _Answer:
    expected = gathered(changed.values())
    if expected.contexts:
        expected = replace(expected, globals=plan.objects.globals)
    # A removed transport stays open until Asterisk starts anew; a reload, or a second question, would change nothing.
    leaving = gathered(item for name, item in obsolete.items() if not name.startswith("transport/"))
    return _Answer(
        _without_witnesses(await read_back(ami, expected)) if changed else (),
        await gone(ami, leaving) if obsolete else (),
    )


def _without_witnesses(found: tuple[Mismatch, ...]) -> tuple[Mismatch, ...]:
    """What a witness lacks is its transport, which is told itself; nobody knows the witness."""
    if not any(m.object.startswith("transport ") for m in found):
        return found
    return tuple(m for m in found if not m.object.startswith(f"endpoint {WITNESS}"))


def _files_of(
    answer: _Answer, changed: Mapping[str, Readable], obsolete: Mapping[str, Readable], *, stand_in: bool
) -> frozenset[str]:
    """The files that what differs stands in."""
    doubtful = {m.object for m in answer.differing}
    files = {_file(item) for name, item in changed.items() if name.replace("/", " ", 1) in doubtful}
    if stand_in:
        files.discard(EXTENSIONS)  # the older dialplan lacks what is new; that is no reason to read it again
    if any(m.owner is None for m in answer.differing):
        files.add(EXTENSIONS)
    if answer.undeleted:
        files.update(_file(item) for item in obsolete.values())
    return frozenset(files)


Blame = dict[Key | None, tuple[Mismatch, ...]]


def _of_dialplan(mismatch: Mismatch) -> bool:
    return mismatch.object.startswith("context ")


def _blamed(differing: Iterable[Mismatch], *, whole: bool) -> tuple[Blame, dict[Key, tuple[Mismatch, ...]]]:
    """Whom to blame, and who only waits for a dialplan that is refused as a whole."""
    found: dict[Key | None, list[Mismatch]] = defaultdict(list)
    waiting: dict[Key, list[Mismatch]] = defaultdict(list)
    for mismatch in differing:
        if whole and mismatch.owner is not None and _of_dialplan(mismatch):
            waiting[mismatch.owner].append(mismatch)
        else:
            found[mismatch.owner].append(mismatch)
    return {k: tuple(v) for k, v in found.items()}, {k: tuple(v) for k, v in waiting.items()}


def _obsolete(session: Session, wanted: Mapping[str, Readable], earlier: Mapping[str, str]) -> dict[str, Readable]:
    """Objects that Asterisk had, by this session's or an earlier one's proof, and should not have any more."""
    obsolete = {name: item for name, item in session.proven.items() if name not in wanted}
    for name in earlier:
        if name not in wanted and name not in obsolete:
            obsolete[name] = _named(name)
    return obsolete


def _named(name: str) -> Readable:
    """An object of which only the name is known: enough to ask whether it is gone."""
    kind, _, id_ = name.partition("/")
    nobody = Key("", "")
    if kind == "context":
        return DialplanContext(id_, (), (), nobody)
    if kind == "mailbox":
        return Mailbox(id_, SecretStr(""), "", "", (), nobody)
    return PjsipObject(PjsipType(kind), id_, (), nobody)


async def _drop_strays(session: Session, wanted: Mapping[str, Readable], revoked: Revoked, task: Task) -> None:
    """Unbind the phones of aors that nobody asks for any more: Asterisk would go on ringing them (facts)."""
    aors = set(revoked.gone)
    if not session.complete:
        aors |= {aor for aor, _ in await registered_keys(session.ami) if f"aor/{aor}" not in wanted}
    if aors:
        task.permit()
        await drop_contacts(session.ami, sorted(aors))
    session.complete = True


def _file(item: Readable) -> str:
    match item:
        case PjsipObject():
            return item.type.file
        case DialplanContext():
            return EXTENSIONS
        case Mailbox():
            return VOICEMAIL
