"""One attempt to make Asterisk run a plan: write, reload, read back.

Asterisk's own "reloaded" counts for nothing (facts): only what it answers when asked for each object does.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import structlog
from pydantic import SecretStr

from dialplane.asterisk.ami import Ami
from dialplane.asterisk.contacts import drop_contacts, registered_keys
from dialplane.asterisk.errors import ActionRefused
from dialplane.asterisk.mismatch import Mismatch
from dialplane.asterisk.overlay import FILES, cover, covered, uncover
from dialplane.asterisk.readback import gone, read_back
from dialplane.asterisk.reload import PJSIP, ReloadResult, reloads_for
from dialplane.plan.objects import (
    DialplanContext,
    Dongle,
    Driver,
    Mailbox,
    PjsipObject,
    PjsipType,
    gathered,
    owners,
)
from dialplane.plan.pjsip.asterisk import WITNESS
from dialplane.plan.pjsip.placeholders import PLACEHOLDER
from dialplane.plan.plan import Plan
from dialplane.plan.render import EXTENSIONS, VOICEMAIL
from dialplane.reconcile import metrics
from dialplane.reconcile.blame import blame, of_dialplan
from dialplane.reconcile.config_dir import ConfigDirectory
from dialplane.reconcile.overlaid import overlaid
from dialplane.reconcile.reloading import reloaded
from dialplane.reconcile.revoked import Readable, Revoked
from dialplane.reconcile.session import Outcome, Session, Task
from dialplane.resources.key import Key

DIALPLAN = "pbx_config.so"

log = structlog.get_logger(__name__)

_OF_PLACEHOLDER = f"endpoint {WITNESS}{PLACEHOLDER}"
"""Begins the name of a placeholder's witness; its kind follows."""

SETTLE_SECONDS = (0.1, 0.4)
"""Waits before an object that differs is asked for again: Asterisk starts registrations a moment after the reload."""


async def converge(session: Session, directory: ConfigDirectory, task: Task) -> Outcome:
    """Make the Asterisk of `session` run the plan, and say what it does not.

    Raises:
        ConfigDirectoryError: a file cannot be written.
        NotLeading: the right to write was lost.
        AsteriskError: the connection was lost, or an answer did not come in time: nothing is known then.
    """
    started = time.monotonic()
    plan = task.plan
    with metrics.phase.labels("write").time():
        await asyncio.to_thread(directory.carry_out, task.todo, plan.files)
    unread = task.unread | {*task.todo.paths}
    wanted = plan.objects.readable()
    obsolete = _obsolete(session, wanted, task.earlier)
    revoked = Revoked.of(session.proven, wanted, task.earlier)
    reloads, put_off = await _tell(session, wanted, obsolete, unread, task)

    changed = _changed(session, wanted)
    await _drop_strays(session, wanted, revoked, task)
    answer = await _ask(session.ami, changed, obsolete, plan)
    if answer.found:
        # Asterisk may never have read files that were right on disk already: tell it once, then ask again.
        files = _files_of(answer, changed, obsolete, stand_in=task.stand_in)
        if more := set(reloads_for(files).modules) - {result.module for result in reloads}:
            reloads += await _reload(session, files, task)
            tried = answer.doubtful & session.covered
            if PJSIP in more and not _read_in_vain(reloads):
                put_off = frozenset()
                await _uncover(session, task)
                changed = _changed(session, wanted)
            answer = await _ask(session.ami, changed, obsolete, plan)
            if tried - answer.doubtful:
                session.overlay_works = False
                log.info("asterisk reads its files first: without 'astdb' in sorcery.conf every change is a reload")
    broken = any(result.module == DIALPLAN and result.unreadable for result in reloads)
    broken |= not task.stand_in and any(m.missing and not m.field and of_dialplan(m) for m in answer.differing)
    for wait in () if broken else SETTLE_SECONDS:
        if not answer.found:
            break
        await asyncio.sleep(wait)
        answer = await _ask(session.ami, changed, obsolete, plan)

    session.unprepared |= answer.unprepared
    blamed, waiting = blame(answer.differing, whole=broken or task.stand_in)
    kept = {id_ for id_ in revoked.rekeyed if (aor := wanted.get(f"aor/{id_}")) and not owners(aor) & blamed.keys()}
    if kept:
        task.permit()
        await drop_contacts(session.ami, sorted(kept))
    doubtful = answer.doubtful
    session.proven = {
        name: item
        for name, item in wanted.items()
        if name not in changed or not (owners(item) & blamed.keys() or name in doubtful)
    }
    if broken or None in blamed:
        session.proven = {n: item for n, item in session.proven.items() if not isinstance(item, DialplanContext)}
    return Outcome(
        mismatches=blamed,
        waiting=waiting,
        dialplan_refused=broken,
        undeleted=answer.undeleted,
        held_up=answer.held_up,
        put_off=put_off,
        reloads=reloads,
        sockets=answer.sockets,
        seconds=time.monotonic() - started,
    )


async def _tell(
    session: Session,
    wanted: Mapping[str, Readable],
    obsolete: Mapping[str, Readable],
    unread: Collection[str],
    task: Task,
) -> tuple[tuple[ReloadResult, ...], frozenset[str]]:
    """Have Asterisk take what is new: by its database where that is enough, else by reading the files.

    Returns the reloads, and the files whose reload was put off.
    """
    if not session.complete:
        session.covered = set(await covered(session.ami))  # an earlier controller was ended before it took them away
    items = None
    if task.overlay and session.complete and session.overlay_works:
        items = overlaid(session.proven, wanted, obsolete, unread)
    if items:
        task.permit()
        session.covered |= {item.name for item in items}
        try:
            with metrics.phase.labels("overlay").time():
                await cover(session.ami, items)
        except ActionRefused as refusal:
            session.overlay_works = False  # a database that is full or read-only: then as ever
            log.warning("asterisk's database takes nothing", error=str(refusal))
            items = None
    if items is not None:
        return await _reload(session, {*unread} - FILES, task), FILES & {*unread}
    reloads = await _reload(session, unread, task)
    if not _read_in_vain(reloads):
        await _uncover(session, task)
    return reloads, FILES & {*unread} if _read_in_vain(reloads) else frozenset()


def _read_in_vain(reloads: Collection[ReloadResult]) -> bool:
    """Whether Asterisk says itself that it has not read the files of PJSIP: what covers them must stay."""
    return any(result.module == PJSIP and not result.succeeded for result in reloads)


async def _uncover(session: Session, task: Task) -> None:
    """Asterisk has read every file: let it go by them, and ask anew for what it had from its database."""
    if session.covered:
        task.permit()
        await uncover(session.ami)
        for name in session.covered:
            session.proven.pop(name, None)
        session.covered.clear()


def _changed(session: Session, wanted: Mapping[str, Readable]) -> dict[str, Readable]:
    proven = session.proven
    return {n: item for n, item in wanted.items() if (known := proven.get(n)) is not item and known != item}


async def _reload(session: Session, files: Collection[str], task: Task) -> tuple[ReloadResult, ...]:
    results = []
    for module in reloads_for(files).modules:
        task.permit()
        session.reloading = module
        results.append(await reloaded(session.ami, module, limit=task.reload_seconds))
        session.reloading = ""
    return tuple(results)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Asterisk has otherwise, and what it should not have any more."""

    shown: tuple[Mismatch, ...]
    left: tuple[Mismatch, ...]
    unprepared: frozenset[str] = frozenset()
    """Kinds of transports for which this Asterisk has no placeholder: it did not start with base files that open it."""

    @property
    def differing(self) -> tuple[Mismatch, ...]:
        """What a reload should have cured. A changed transport is not refused: its socket stays until a restart."""
        return tuple(m for m in self.shown if not m.needs_restart and not m.waits)

    @property
    def undeleted(self) -> tuple[Mismatch, ...]:
        return tuple(m for m in self.left if not m.waits)

    @property
    def held_up(self) -> tuple[Mismatch, ...]:
        return tuple(m for m in (*self.shown, *self.left) if m.waits)

    @property
    def sockets(self) -> tuple[str, ...]:
        return tuple(sorted({m.object for m in self.shown if m.needs_restart}))

    @property
    def doubtful(self) -> frozenset[str]:
        """The objects that are not as wanted, by the names of `Objects.readable`."""
        return frozenset(m.object.replace(" ", "/", 1) for m in self.shown)

    @property
    def curable(self) -> tuple[Mismatch, ...]:
        """What another reload, or a moment, may cure: not a module that is missing."""
        return tuple(m for m in self.differing if not m.module)

    @property
    def found(self) -> bool:
        return bool(self.curable or self.undeleted)


async def _ask(ami: Ami, changed: Mapping[str, Readable], obsolete: Mapping[str, Readable], plan: Plan) -> _Answer:
    expected = gathered(changed.values())
    if expected.contexts:
        expected = replace(expected, globals=plan.objects.globals)
    # A removed transport stays open until Asterisk starts anew; a reload, or a second question, would change nothing.
    leaving = gathered(item for name, item in obsolete.items() if not name.startswith("transport/"))
    with metrics.phase.labels("read-back").time():
        shown = await read_back(ami, expected) if changed else ()
        lacking = {m.object: m for m in shown if m.object.startswith(_OF_PLACEHOLDER) and m.field == "transport"}
        return _Answer(
            _without_witnesses(tuple(m for m in shown if m.object not in lacking)),
            await gone(ami, leaving) if obsolete else (),
            frozenset(name.removeprefix(_OF_PLACEHOLDER) for name in lacking),
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
    doubtful = {m.object.replace(" ", "/", 1) for m in answer.curable}
    files = {_file(changed[name]) for name in doubtful & changed.keys()}
    if stand_in:
        files.discard(EXTENSIONS)  # the older dialplan lacks what is new; that is no reason to read it again
    if any(m.owner is None for m in answer.differing):
        files.add(EXTENSIONS)
    if answer.undeleted:
        files.update(_file(item) for item in obsolete.values())
    return frozenset(files)


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
    if kind in {*Driver}:
        return Dongle(Driver(kind), id_, (), Key("Dongle", id_))
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
        case Dongle():
            return item.driver.file
